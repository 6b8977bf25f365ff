/* log.h - one line per event, to a sink that app/ chooses. Libraries log sparingly and never print. */
#ifndef SH_BASE_LOG_H
#define SH_BASE_LOG_H

#include "base/fail.h"

enum sh_log_level { SH_LOG_ERROR, SH_LOG_WARN, SH_LOG_INFO, SH_LOG_DEBUG };

typedef struct sh_log {
    void (*write)(void *ud, enum sh_log_level level, const char *line); /* called from any thread */
    void *ud;
    enum sh_log_level max_level;
} sh_log;

/* log may be NULL (nothing is written). */
void sh_logf(const sh_log *log, enum sh_log_level level, const char *fmt, ...) SH_PRINTF(3, 4);

#endif
