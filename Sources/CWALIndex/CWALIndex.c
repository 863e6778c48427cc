#include "CWALIndex.h"
