/* The load client of the stream benchmarks: many event streams in one process with one epoll loop.
 *
 *   stream_load --port 8000 --path '/events/?topics=service' --connections 1000
 *               [--host 127.0.0.1] [--paced 64] [--cookies FILE] [--header 'Name: value'] [--gzip]
 *               [--next 1] [--stuck] [--deadline 60] [--cpu 1]
 *
 * opens the streams (all at once, or so many in flight with --paced; connection k sends line k of FILE as its
 * Cookie) and reads them. A message that counts holds "~NUMBER:NANOSECONDS~" anywhere in its data: its number,
 * which grows by one each time and begins with --next, and CLOCK_MONOTONIC when it was published. Nothing else
 * in a message may be a "~". With --stuck nothing is read after the first bytes of a body.
 *
 * It says, one JSON object a line:
 *   {"opened": ...}    once every connection has its first byte of the body, was refused, or --deadline is over
 *   {"complete": n, "at": ns}   message n has reached every open stream
 *   {"closed": k, "at": ns}     an answer to "close", before the k-th connection goes
 *   {"window": ...}    an answer to "report"
 * and takes commands from its standard input, one a line:
 *   reset            begin a window: forget latencies and counts
 *   report           say what the window holds
 *   quickack 1       acknowledge every read at once, for servers that leave Nagle's algorithm on; 0: no longer
 *   close N HOW MS   close N streams, MS milliseconds apart; HOW is fin or rst
 * It ends where its input ends. "lost" counts numbers that a stream skipped, "doubled" those that came again or
 * late, "behind" the streams that have not had the newest number.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "latency_window.h"

enum { READ_SIZE = 262144, INFLATED_SIZE = 262144, REACHED = 65536, LINE = 16384 };
enum state { UNUSED, CONNECTING, HEAD, SIZE, DATA, DATA_END, UNTIL_CLOSE, OVER };

struct stream {
    int fd;
    enum state state;
    int status, chunked, zipped, marking, length; /* length: of line, or of mark */
    char *line;                                           /* the response's head; freed with its end */
    char text[32];                                        /* a chunk's size */
    char mark[48];
    size_t left; /* of a chunk */
    int64_t began, first;
    uint64_t last; /* the number that came last */
    z_stream *zip;
};

static struct stream *streams;
static uint32_t reached[REACHED];
static uint64_t newest, next_number = 1;
static int count = 100, begun, open_now, settled, refused, failed, went, epoll, paced, gzip, stuck, quickack;
static int statuses[1000];
static const char *path = "/", *host = "127.0.0.1", *header = "";
static char **cookies;
static int cookie_count;
static struct sockaddr_in address;
static char buffer[READ_SIZE], inflated[INFLATED_SIZE];

static void die(const char *what) {
    fprintf(stderr, "stream_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- messages --------------------------------------------------------------------------------------------- */
static void marked(struct stream *s, int64_t at) {
    char *colon = strchr(s->mark, ':');
    if (!colon) return;
    uint64_t number = strtoull(s->mark, NULL, 10);
    int64_t took = at - strtoll(colon + 1, NULL, 10);
    if (number <= s->last) {
        window.doubled++;
        return;
    }
    window.lost += number - s->last - 1;
    s->last = number;
    received(at, took);
    while (newest < number) reached[++newest % REACHED] = 0;
    if (++reached[number % REACHED] == (uint32_t)open_now) {
        printf("{\"complete\": %llu, \"at\": %lld}\n", (unsigned long long)number, (long long)at);
        fflush(stdout);
    }
}

static void plain(struct stream *s, const char *data, size_t size, int64_t at) {
    window.body += size;
    while (size) {
        const char *end = memchr(data, '~', size);
        size_t step = end ? (size_t)(end - data) : size;
        if (s->marking) {
            if (s->length + step >= sizeof s->mark) s->marking = 0; /* no mark of ours */
            else memcpy(s->mark + s->length, data, step), s->length += (int)step;
        }
        if (!end) return;
        if (s->marking) s->mark[s->length] = 0, marked(s, at);
        s->marking = !s->marking, s->length = 0;
        data += step + 1, size -= step + 1;
    }
}

static void body(struct stream *s, const char *data, size_t size, int64_t at) {
    if (!s->first) {
        s->first = at, s->last = next_number - 1;
        open_now++, settled++;
    }
    if (!s->zipped) {
        plain(s, data, size, at);
        return;
    }
    if (!s->zip) {
        s->zip = calloc(1, sizeof *s->zip);
        if (inflateInit2(s->zip, 31) != Z_OK) die("zlib");
    }
    s->zip->next_in = (Bytef *)data, s->zip->avail_in = (uInt)size;
    do {
        s->zip->next_out = (Bytef *)inflated, s->zip->avail_out = INFLATED_SIZE;
        int result = inflate(s->zip, Z_SYNC_FLUSH);
        if (result != Z_OK && result != Z_BUF_ERROR) {
            fprintf(stderr, "stream_load: this is not gzip: %s\n", s->zip->msg ? s->zip->msg : "ended");
            exit(1);
        }
        plain(s, inflated, INFLATED_SIZE - s->zip->avail_out, at);
    } while (s->zip->avail_in || !s->zip->avail_out);
}

/* --- HTTP ------------------------------------------------------------------------------------------------- */
static void drop(struct stream *s, int reset) {
    if (s->state == UNUSED || s->state == OVER) return;
    if (reset) {
        struct linger linger = {1, 0};
        setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    close(s->fd);
    s->state = OVER;
    if (s->first) open_now--, went++;
    else if (s->status) refused++;
    else failed++;
    settled += !s->first; /* otherwise its first byte did that */
    free(s->line);
    s->line = NULL;
    if (s->zip) inflateEnd(s->zip), free(s->zip), s->zip = NULL;
}

static void head_ended(struct stream *s) {
    if (sscanf(s->line, "HTTP/1.%*c %d", &s->status) != 1 || s->status < 100 || s->status > 999) s->status = 999;
    statuses[s->status]++;
    s->chunked = strcasestr(s->line, "\ntransfer-encoding: chunked") != NULL;
    s->zipped = strcasestr(s->line, "\ncontent-encoding: gzip") != NULL;
    free(s->line);
    s->line = NULL, s->length = 0;
    s->state = s->chunked ? SIZE : UNTIL_CLOSE;
    if (s->status != 200) drop(s, 0);
}

static void feed(struct stream *s, const char *data, size_t size, int64_t at) {
    while (size && s->state != OVER) {
        size_t step = 1;
        if (s->state == HEAD) {
            if (!s->line) s->line = calloc(1, LINE), s->length = 0;
            if (s->length >= LINE - 1) die("a response's head is too long");
            s->line[s->length++] = *data;
            if (*data == '\n' && s->length >= 4 && !memcmp(s->line + s->length - 4, "\r\n\r\n", 4)) head_ended(s);
        } else if (s->state == SIZE) {
            char *end = strchr(s->text, 0);
            if (end - s->text < 30) *end = *data, end[1] = 0;
            if (*data == '\n') {
                s->left = strtoul(s->text, NULL, 16), s->text[0] = 0, s->state = DATA;
                if (!s->left) drop(s, 0);
            }
        } else if (s->state == DATA_END) {
            if (*data == '\n') s->state = SIZE;
        } else {
            step = s->state == DATA && s->left < size ? s->left : size;
            body(s, data, step, at);
            if (s->state == DATA && !(s->left -= step)) s->state = DATA_END;
        }
        data += step, size -= step;
    }
}

static void request(struct stream *s, int i) {
    static char text[LINE];
    int size = snprintf(text, sizeof text,
                        "GET %s HTTP/1.1\r\nHost: %s:%d\r\nAccept: text/event-stream\r\nCache-Control: no-cache\r\n"
                        "%s%s%s%s%s%s\r\n",
                        path, host, ntohs(address.sin_port), gzip ? "Accept-Encoding: gzip\r\n" : "", header,
                        *header ? "\r\n" : "", cookie_count ? "Cookie: " : "",
                        cookie_count ? cookies[i % cookie_count] : "", cookie_count ? "\r\n" : "");
    if (write(s->fd, text, (size_t)size) != size) {
        drop(s, 0);
        return;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
    epoll_ctl(epoll, EPOLL_CTL_MOD, s->fd, &event);
    s->state = HEAD;
}

static void begin(int i) {
    struct stream *s = &streams[i];
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0) die("socket");
    s->began = now();
    s->state = CONNECTING;
    begun++;
    struct epoll_event event = {.events = EPOLLOUT, .data.u32 = (uint32_t)i};
    epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &event);
    if (connect(s->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) drop(s, 0);
}

static void ready(int i) {
    struct stream *s = &streams[i];
    if (s->state == OVER) return;
    if (s->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) drop(s, 0);
        else request(s, i);
        return;
    }
    if (stuck && s->first) {
        drop(s, 0); /* the server has had enough */
        return;
    }
    ssize_t got = read(s->fd, buffer, sizeof buffer);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        drop(s, 0);
        return;
    }
    int64_t at = now();
    if (quickack) setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &(int){1}, sizeof(int));
    window.bytes += (uint64_t)got;
    feed(s, buffer, (size_t)got, at);
    if (stuck && s->first && s->state != OVER) {
        struct epoll_event event = {.events = EPOLLRDHUP, .data.u32 = (uint32_t)i};
        epoll_ctl(epoll, EPOLL_CTL_MOD, s->fd, &event);
    }
}

/* --- reports and commands --------------------------------------------------------------------------------- */
static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void say_opened(int64_t began) {
    double *took = calloc((size_t)count + 1, sizeof *took);
    int got = 0;
    int64_t last = began;
    for (int i = 0; i < count; i++)
        if (streams[i].first) {
            took[got++] = (double)(streams[i].first - streams[i].began) / 1e6;
            if (streams[i].first > last) last = streams[i].first;
        }
    qsort(took, (size_t)got, sizeof *took, ascending);
    printf("{\"opened\": %d, \"refused\": %d, \"failed\": %d, \"waiting\": %d, \"seconds\": %.6f, ", got, refused, failed,
           count - settled, (double)(last - began) / 1e9);
    printf("\"first_byte_ms\": [%.3f, %.3f, %.3f, %.3f], \"statuses\": {", took[0], took[got / 2], took[got * 99 / 100],
           took[got ? got - 1 : 0]);
    const char *comma = "";
    for (int i = 0; i < 1000; i++)
        if (statuses[i]) printf("%s\"%d\": %d", comma, i, statuses[i]), comma = ", ";
    puts("}}");
    fflush(stdout);
    free(took);
}

static void say_window(void) {
    int behind = 0;
    for (int i = 0; i < count; i++) behind += streams[i].first && streams[i].state != OVER && streams[i].last < newest;
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                 (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("{\"window\": %.6f, \"deliveries\": %llu, \"seconds\": %.6f, \"bytes\": %llu, \"body_bytes\": %llu, "
           "\"lost\": %llu, \"doubled\": %llu, \"behind\": %d, \"newest\": %llu, \"open\": %d, \"gone\": %d, "
           "\"client_cpu_seconds\": %.3f, \"latency_ms\": [%.4f, %.4f, %.4f, %.4f]}\n",
           (double)(now() - window.began) / 1e9, (unsigned long long)window.total,
           (double)(window.last_at - window.first_at) / 1e9, (unsigned long long)window.bytes,
           (unsigned long long)window.body, (unsigned long long)window.lost, (unsigned long long)window.doubled, behind,
           (unsigned long long)newest, open_now, went, cpu, window.total ? (double)window.least / 1e6 : 0,
           percentile(0.5), percentile(0.99), (double)window.most / 1e6);
    fflush(stdout);
}

static void close_some(int wanted, int reset, int apart) {
    for (int i = 0, done = 0; i < count && done < wanted; i++) {
        if (!streams[i].first || streams[i].state == OVER) continue;
        int64_t at = now();
        drop(&streams[i], reset);
        printf("{\"closed\": %d, \"at\": %lld}\n", ++done, (long long)at);
        fflush(stdout);
        usleep((useconds_t)apart * 1000);
    }
}

static void command(char *line) {
    int wanted, apart;
    char how[8];
    if (!strcmp(line, "reset")) reset_window();
    else if (!strcmp(line, "report")) say_window();
    else if (sscanf(line, "quickack %d", &wanted) == 1) quickack = wanted;
    else if (sscanf(line, "close %d %7s %d", &wanted, how, &apart) == 3) close_some(wanted, !strcmp(how, "rst"), apart);
    else fprintf(stderr, "stream_load: no such command: %s\n", line);
}

static int commands(void) {
    static char text[4096];
    static size_t length;
    ssize_t got = read(0, text + length, sizeof text - length - 1);
    if (got <= 0) return 0;
    text[length += (size_t)got] = 0;
    char *line = text, *end;
    while ((end = strchr(line, '\n'))) {
        *end = 0;
        command(line);
        line = end + 1;
    }
    length = strlen(line);
    memmove(text, line, length + 1);
    return 1;
}

/* --- the beginning ---------------------------------------------------------------------------------------- */
static void read_cookies(const char *name) {
    FILE *file = fopen(name, "r");
    if (!file) die(name);
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, file) > 0) {
        line[strcspn(line, "\r\n")] = 0;
        cookies = realloc(cookies, (size_t)(cookie_count + 1) * sizeof *cookies);
        cookies[cookie_count++] = strdup(line);
    }
    free(line), fclose(file);
}

int main(int argc, char **argv) {
    double deadline = 60;
    int port = 8000;
    for (int i = 1; i < argc; i++) {
        char *name = argv[i];
        if (!strcmp(name, "--gzip")) gzip = 1;
        else if (!strcmp(name, "--stuck")) stuck = 1;
        else if (i + 1 == argc) return fprintf(stderr, "stream_load: unknown or without a value: %s\n", name), 2;
        else {
            char *value = argv[++i];
            if (!strcmp(name, "--host")) host = value;
            else if (!strcmp(name, "--port")) port = atoi(value);
            else if (!strcmp(name, "--path")) path = value;
            else if (!strcmp(name, "--header")) header = value;
            else if (!strcmp(name, "--connections")) count = atoi(value);
            else if (!strcmp(name, "--paced")) paced = atoi(value);
            else if (!strcmp(name, "--cookies")) read_cookies(value);
            else if (!strcmp(name, "--next")) next_number = strtoull(value, NULL, 10);
            else if (!strcmp(name, "--deadline")) deadline = atof(value);
            else if (!strcmp(name, "--cpu")) {
                cpu_set_t set;
                CPU_ZERO(&set);
                CPU_SET(atoi(value), &set);
                if (sched_setaffinity(0, sizeof set, &set)) die("--cpu");
            } else return fprintf(stderr, "stream_load: unknown: %s\n", name), 2;
        }
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    address.sin_family = AF_INET, address.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) return fprintf(stderr, "stream_load: --host is no IPv4\n"), 2;
    streams = calloc((size_t)count + 1, sizeof *streams);
    newest = next_number - 1;
    epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event input = {.events = EPOLLIN, .data.u32 = UINT32_MAX}, events[512];
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &input)) die("standard input must be a pipe or a terminal");
    reset_window();
    int64_t began = now();
    for (int said = 0;;) {
        while (begun < count && (!paced || begun - settled < paced)) begin(begun);
        if (!said && (settled == count || now() - began > (int64_t)(deadline * 1e9))) said = 1, say_opened(began);
        int got = epoll_wait(epoll, events, 512, said ? -1 : 100);
        for (int i = 0; i < got; i++) {
            if (events[i].data.u32 != UINT32_MAX) ready((int)events[i].data.u32);
            else if (!commands()) return 0;
        }
    }
}
