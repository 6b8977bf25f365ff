/* sampler.h - the inside of the sampler of <shoal/session.h>. */
#ifndef SH_ENGINE_SAMPLER_H
#define SH_ENGINE_SAMPLER_H

#include <shoal/session.h>

#include "engine/chain.h"

/* SH_E_INVALID names the setting that is out of range, SH_E_RANGE a bias for a token outside the vocabulary. */
int sh_sampling_check(const sh_sampling *settings, int32_t n_vocab, sh_err *err);

#endif
