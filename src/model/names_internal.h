/* names_internal.h - how a list of names is written. */
#ifndef SH_MODEL_NAMES_INTERNAL_H
#define SH_MODEL_NAMES_INTERNAL_H

#include <stddef.h>

#include "model/names.h"

#define END {SH_SLOT_COUNT, NULL, SH_LAYOUT_ROWS, false, false}
#define ROWS(slot, stem) {SH_SLOT_##slot, stem, SH_LAYOUT_ROWS, false, false}
#define COLS(slot, stem) {SH_SLOT_##slot, stem, SH_LAYOUT_ROWS, true, false}
#define BARE(slot, layout, stem) {SH_SLOT_##slot, stem, SH_LAYOUT_##layout, false, true}
#define FUSED(slot, layout, stem) {SH_SLOT_##slot, stem, SH_LAYOUT_##layout, false, false}
#define FUSED_COLS(slot, layout, stem) {SH_SLOT_##slot, stem, SH_LAYOUT_##layout, true, false}

#endif
