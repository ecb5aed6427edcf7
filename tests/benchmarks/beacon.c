/* The service of the benchmarks: its first act is to read the clock, its second to write one line.
 *
 *   beacon NAME FILE
 *
 * appends "NAME PID NANOSECONDS up" to FILE and waits; on SIGTERM it appends the same with "term" and ends.
 * The times are CLOCK_MONOTONIC, so that polling FILE does not enter what is measured.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int out;
static const char *name;

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int say(long long at, const char *word) {
    char line[256];
    int length = snprintf(line, sizeof line, "%s %d %lld %s\n", name, (int)getpid(), at, word);
    return write(out, line, (size_t)length) == length;
}

static void terminated(int number) {
    (void)number;
    say(now(), "term");
    _exit(0);
}

int main(int argc, char **argv) {
    long long began = now();
    if (argc != 3) return 2;
    name = argv[1];
    out = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (out < 0) return 3;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = terminated;
    sigaction(SIGTERM, &action, NULL);
    if (!say(began, "up")) return 4;
    for (;;) pause();
}
