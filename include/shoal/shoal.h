/* shoal/shoal.h - everything. Each header may also be included alone. */
#ifndef SHOAL_H
#define SHOAL_H

#include <shoal/engine.h>
#include <shoal/err.h>
#include <shoal/model.h>
#include <shoal/runtime.h>
#include <shoal/session.h>
#include <shoal/tokenizer.h>

#endif
