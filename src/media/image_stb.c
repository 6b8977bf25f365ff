/* image_stb.c - the one place where stb_image is compiled: PNG and JPEG from memory, on our heap.
 *
 * stb's allocation hooks take no user pointer, so the limit of the decode that this thread is in stands in a
 * variable of the thread, set around the one call. */
#include "media/image_internal.h"

#include <limits.h>

#include "base/mem.h"

static _Thread_local size_t block_limit;

static void *stb_alloc(size_t n)
{
    return n <= block_limit ? sh_alloc(n, 1) : NULL;
}
static void *stb_realloc(void *p, size_t n)
{
    return n <= block_limit ? sh_realloc(p, n, 1) : NULL;
}

#define STBI_MALLOC(n) stb_alloc(n)
#define STBI_REALLOC(p, n) stb_realloc(p, n)
#define STBI_FREE(p) sh_free(p)
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS SH_IMAGE_MAX_SIDE
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
/* Declared but not needed here: reported at the end of the file, so there is no pop. */
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image.h>

int sh_image_stb(sh_image **out, const sh_image_facts *facts, const uint8_t *p, size_t n, size_t max_block,
                 sh_err *err)
{
    int w = 0, h = 0, channels = 0;
    if (n > INT_MAX) return sh_fail(err, SH_E_LIMIT, "an image file of %zu bytes (at most %d)", n, INT_MAX);
    sh_image *img = sh_new(sizeof *img, err);
    if (!img) return SH_E_NOMEM;
    block_limit = max_block;
    img->px = stbi_load_from_memory(p, (int)n, &w, &h, &channels, (int)facts->channels);
    block_limit = 0;
    if (!img->px || (uint32_t)w != facts->w || (uint32_t)h != facts->h) {
        const char *why = img->px ? "two sizes" : stbi_failure_reason();
        bool no_memory = why && strcmp(why, "outofmem") == 0;
        sh_image_free(img);
        return no_memory
                   ? sh_fail_nomem(err, max_block)
                   : sh_fail(err, SH_E_CORRUPT, "the %s data cannot be decoded (%s)",
                             facts->kind == SH_IMAGE_PNG ? "PNG" : "JPEG", why ? why : "no reason given");
    }
    img->w = facts->w;
    img->h = facts->h;
    img->channels = facts->channels ? facts->channels : (uint32_t)channels;
    *out = img;
    return SH_OK;
}
