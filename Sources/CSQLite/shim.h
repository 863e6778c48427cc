/* The platform's SQLite, as the vault's application uses it. */
#pragma once
#include <sqlite3.h>
