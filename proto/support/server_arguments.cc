#include "proto/support/server_arguments.h"
