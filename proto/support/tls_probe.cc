#include "proto/support/tls_probe.h"
