/* What the load client has received in one window: counts, bytes, and a histogram of latencies.
 *
 * The histogram has 256 equal steps in every power of two nanoseconds, so that its figures are within 0.4 %.
 */
#include <stdint.h>
#include <string.h>
#include <time.h>

enum { SUB = 256, MAGNITUDES = 40 };

static struct {
    uint64_t counts[MAGNITUDES * SUB], total, lost, doubled, bytes, body;
    int64_t least, most, began, first_at, last_at;
} window;

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int bucket(int64_t ns) {
    uint64_t v = ns < SUB ? SUB : (uint64_t)ns;
    int shift = 63 - __builtin_clzll(v) - 8;
    return shift * SUB + (int)(v >> shift) - SUB;
}

static double percentile(double share) {
    uint64_t wanted = (uint64_t)(share * (double)window.total + 0.999999), seen = 0;
    for (int i = 0; i < MAGNITUDES * SUB; i++)
        if ((seen += window.counts[i]) >= wanted && seen) return ((double)(SUB + i % SUB) + 0.5) * (1LL << (i / SUB)) / 1e6;
    return 0;
}

static void reset_window(void) {
    memset(&window, 0, sizeof window);
    window.least = INT64_MAX;
    window.began = now();
}

static void received(int64_t at, int64_t took) {
    int i = bucket(took);
    window.counts[i < MAGNITUDES * SUB ? i : MAGNITUDES * SUB - 1]++;
    window.total++;
    if (took < window.least) window.least = took;
    if (took > window.most) window.most = took;
    if (!window.first_at) window.first_at = at;
    window.last_at = at;
}
