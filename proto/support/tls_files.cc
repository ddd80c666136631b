#include "proto/support/tls_files.h"
