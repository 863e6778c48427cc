/* Racing reads and writes of SQLite's wal-index, which Swift's memory model does not cover. */
#pragma once
#include <stdint.h>
