/* test_system.c - clock, entropy, memory peak and the processor probe. */
#include "unit/test.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"
#include "os/clock.h"
#include "os/cpu.h"
#include "os/file.h"
#include "os/machine.h"

static void test_clock(void **state)
{
    (void)state;
    uint64_t before = sh_now_us();
    sh_sleep_us(2000);
    assert_true(sh_now_us() - before >= 2000);
    int64_t now = sh_unix_seconds();
    assert_true(now >= (int64_t)time(NULL) - 1 && now <= (int64_t)time(NULL) + 1);
}

static void test_entropy(void **state)
{
    (void)state;
    unsigned char a[1000] = {0}, b[1000] = {0};
    assert_int_equal(sh_os_entropy(a, sizeof a), 0);
    assert_int_equal(sh_os_entropy(b, sizeof b), 0);
    assert_memory_not_equal(a, b, sizeof a);
    size_t n_zero = 0;
    for (size_t i = 900; i < 1000; i++) n_zero += a[i] == 0;
    assert_true(n_zero < 20); /* the tail is filled too: 20 zeros of 100 would be chance 1e-20 */
    assert_int_equal(sh_os_entropy(a, 0), 0);
#ifdef SHOAL_FAULT
    sh_fault_arm(SH_FAULT_SYSCALL, 0);
    assert_int_equal(sh_os_entropy(a, 1), -1);
    sh_fault_arm(SH_FAULT_SYSCALL, -1);
#endif
}

static void test_peak_memory(void **state)
{
    (void)state;
    enum { N = 48 << 20 };
    uint64_t before = sh_peak_rss_bytes();
    assert_true(before > 100000);
    unsigned char *p = sh_pages_alloc(N);
    assert_non_null(p);
    for (size_t i = 0; i < N; i += 4096) p[i] = 1;
    sh_pages_free(p, N);
    assert_true(sh_peak_rss_bytes() >= before + N / 2); /* a peak stays after the memory is gone */
}

static void test_available_memory(void **state)
{
    (void)state;
    uint64_t bytes = sh_machine_available_bytes();
    assert_true(bytes > 1 << 20);
    assert_true(bytes <= (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
}

static void *probe(void *ud)
{
    *(const sh_cpu_info **)ud = sh_cpu();
    return NULL;
}

static void test_cpu_once(void **state)
{
    (void)state;
    pthread_t threads[4];
    const sh_cpu_info *seen[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, probe, &seen[i]), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++) assert_ptr_equal(seen[i], sh_cpu());
    assert_true(sh_cpu()->name[0] != 0);
}

/* The flags against the kernel's own list, word by word. */
static bool kernel_has(const char *cpuinfo, const char *flag)
{
    const char *line = strstr(cpuinfo, "\nflags");
    const char *end = line ? strchr(line + 1, '\n') : NULL;
    size_t n = strlen(flag);
    for (const char *p = line; p && (p = strstr(p, flag)) && p < end; p += n)
        if (p[-1] == ' ' && (p[n] == ' ' || p[n] == '\n')) return true;
    return false;
}

static void test_cpu_agrees_with_kernel(void **state)
{
    (void)state;
    sh_buf text = {0};
    const sh_cpu_info *cpu = sh_cpu();
    assert_ok(sh_file_read("/proc/cpuinfo", 1 << 24, &text, NULL), NULL);
    if (!strstr(text.p, "\nflags")) {
        sh_buf_clear(&text);
        skip();
    }
    const char *p = text.p;
    assert_int_equal(cpu->avx2, kernel_has(p, "avx2"));
    assert_int_equal(cpu->f16c, kernel_has(p, "f16c"));
    assert_int_equal(cpu->avx512, kernel_has(p, "avx512f") && kernel_has(p, "avx512bw") && kernel_has(p, "avx512dq") &&
                                      kernel_has(p, "avx512vl") && kernel_has(p, "avx512_vnni"));
    assert_int_equal(cpu->avx512_bf16, cpu->avx512 && kernel_has(p, "avx512_bf16"));
    if (cpu->amx_int8) assert_true(kernel_has(p, "amx_int8") && kernel_has(p, "amx_tile"));
    if (cpu->amx_bf16) assert_true(kernel_has(p, "amx_bf16") && kernel_has(p, "amx_tile"));
    assert_non_null(strstr(p, cpu->name));
    assert_true(cpu->l1d_bytes >= 8192 && cpu->l1d_bytes <= 1 << 20);
    sh_buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock),    cmocka_unit_test(test_entropy),
        cmocka_unit_test(test_peak_memory), cmocka_unit_test(test_available_memory),
        cmocka_unit_test(test_cpu_once),
        cmocka_unit_test(test_cpu_agrees_with_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
