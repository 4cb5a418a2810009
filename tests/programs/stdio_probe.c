/* SPDX-License-Identifier: Apache-2.0
 *
 * stdio_probe GROUP: uses stdio streams on sockets in every way, and prints what each call
 * returned, with its errno, and what arrived at the other end. Nothing that is sent looks like
 * HTTP.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

static int near_end, far_end; /* of a connection; the streams are on the near end */

/* Always to the real standard output, at once. */
#define SAY(...) (printf(__VA_ARGS__), fflush(stdout))

#define TRY(FP, CALL)                                                                \
    do {                                                                             \
        long long got_;                                                              \
        errno = 0;                                                                   \
        got_ = (long long)(CALL);                                                    \
        SAY("%s: %lld %s%s%s\n", #CALL, got_, errno ? strerrorname_np(errno) : "ok", \
            feof(FP) ? " eof" : "", ferror(FP) ? " error" : "");                     \
    } while (0)

static void connection(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof any;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    near_end = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&any, len) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&any, &len) ||
        connect(near_end, (struct sockaddr *)&any, len))
        abort();
    far_end = accept(listener, NULL, NULL);
    close(listener);
}

static void pair(void)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
        abort();
    near_end = ends[0], far_end = ends[1];
}

/* What has arrived at the far end: the number of bytes and a sum of them. */
static void arrived(const char *when)
{
    static unsigned char bytes[1 << 20];
    unsigned long sum = 0;
    ssize_t n, all = 0;

    while ((n = recv(far_end, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            sum = sum * 31 + bytes[i];
        all += n;
    }
    SAY("  %s: %zd bytes, %lx%s\n", when, all, sum, n == 0 ? ", end" : "");
}

static void give(const char *text)
{
    if (send(far_end, text, strlen(text), MSG_NOSIGNAL) < 0)
        abort();
}

static void modes(void)
{
    static const char *const all[] = {
        "r", "w",  "a", "r+",    "w+",     "a+", "rb",  "wb+", "re",          "wc",  "rm", "",
        "x", "rw", "+", "rxxx+", "rxxxx+", "R",  "r+e", "wx",  "r,ccs=UTF-8", "a+b", "wm"};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        FILE *fp;

        connection();
        errno = 0;
        fp = fdopen(near_end, all[i]);
        SAY("%s: %s %s\n", all[i], fp ? "stream" : "NULL", errno ? strerrorname_np(errno) : "ok");
        if (fp)
            SAY("  %d %d %d wide %d append %d pending %zu reads %d writes %d cloexec %d\n",
                fileno(fp) == near_end, __freadable(fp) != 0, __fwritable(fp) != 0, fwide(fp, 0),
                (fcntl(near_end, F_GETFL) & O_APPEND) != 0, __fpending(fp), __freading(fp) != 0,
                __fwriting(fp) != 0, fcntl(near_end, F_GETFD));
        if (fp)
            TRY(stdout, fclose(fp));
        SAY("  closed: %d\n", fcntl(near_end, F_GETFD));
        close(near_end), close(far_end);
    }
    TRY(stdout, fdopen(-1, "r") == NULL);
    TRY(stdout, fdopen(near_end, "w") == NULL);
    TRY(stdout, fdopen(1000000, "r+") == NULL);
}

static void writes(void)
{
    static char block[70000];
    static const size_t sizes[] = {1, 4095, 4096, 4097, 8191, 8192, 12289, 70000};
    FILE *fp = fdopen(near_end, "w");

    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)('a' + i % 23);
    TRY(fp, fputs("hello", fp));
    SAY("  pending %zu, buffer %zu\n", __fpending(fp), __fbufsize(fp));
    arrived("buffered");
    TRY(fp, fflush(fp));
    arrived("flushed");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        TRY(fp, fwrite(block, 1, sizes[i], fp));
        SAY("  pending %zu\n", __fpending(fp));
        arrived("written");
        TRY(fp, fputc('x', fp));
        arrived("one more");
    }
    for (int i = 0; i < 9000; i++)
        putc_unlocked('0' + i % 10, fp);
    SAY("  pending %zu\n", __fpending(fp));
    arrived("putc_unlocked");
    TRY(fp, fprintf(fp, "%5000d|%s", 7, block));
    arrived("fprintf");
    TRY(fp, fflush(NULL));
    arrived("fflush(NULL)");
    TRY(fp, fgetc(fp));
    clearerr(fp);
    fputs("last", fp);
    TRY(stdout, fclose(fp));
    arrived("closed");
}

static void buffering(void)
{
    static char own[100];
    FILE *fp = fdopen(near_end, "w");

    TRY(fp, setvbuf(fp, NULL, _IOLBF, 0));
    TRY(fp, fputs("one\ntwo", fp));
    arrived("line");
    TRY(fp, fprintf(fp, "%s\n%s", "three", "four"));
    arrived("line");
    TRY(fp, setvbuf(fp, NULL, _IONBF, 0));
    arrived("changed");
    TRY(fp, fprintf(fp, "%d %s %c", 1, "two", '3'));
    arrived("unbuffered");
    TRY(fp, fputc('x', fp));
    arrived("unbuffered");
    TRY(fp, setvbuf(fp, own, _IOFBF, sizeof own));
    TRY(fp, fprintf(fp, "%150d", 1));
    SAY("  pending %zu, buffer %zu, line %d\n", __fpending(fp), __fbufsize(fp), __flbf(fp));
    arrived("own");
    fputs("purged", fp);
    __fpurge(fp);
    TRY(fp, setvbuf(fp, NULL, _IOFBF, 16));
    TRY(fp, setvbuf(fp, NULL, 77, 16));
    TRY(fp, fputs("rest", fp));
    TRY(stdout, fclose(fp));
    arrived("closed");
}

static void reads(void)
{
    FILE *fp = fdopen(near_end, "r");
    char line[100], *text = NULL;
    size_t size = 0;
    int number = 0;

    give("first\nsecond line\n42 third\nabcdefghij");
    TRY(fp, fgets(line, sizeof line, fp) != NULL);
    TRY(fp, getline(&text, &size, fp));
    TRY(fp, fscanf(fp, "%d", &number));
    SAY("  %s  %s  %d\n", line, text, number);
    TRY(fp, getc(fp));
    TRY(fp, ungetc('Q', fp));
    TRY(fp, getc_unlocked(fp));
    TRY(fp, fgets(line, sizeof line, fp) != NULL);
    TRY(fp, fread(line, 1, 10, fp));
    TRY(fp, fputc('x', fp));
    clearerr(fp);
    SAY("  buffer %zu\n", __fbufsize(fp));
    give("tail");
    shutdown(far_end, SHUT_WR);
    TRY(fp, fread(line, 1, 100, fp));
    TRY(fp, getc(fp));
    clearerr(fp);
    TRY(fp, getc(fp));
    TRY(fp, fread(line, 50, 2, fp));
    TRY(stdout, fclose(fp));
    free(text);
}

/* How much a large fread takes from the socket, and what it leaves. */
static void large_reads(void)
{
    static char block[60000];
    FILE *fp = fdopen(near_end, "r");
    int left = 0;

    memset(block, 'l', sizeof block);
    if (send(far_end, block, sizeof block, 0) != (ssize_t)sizeof block)
        abort();
    TRY(fp, getc(fp));
    TRY(fp, fread(block, 1, 20000, fp));
    ioctl(near_end, FIONREAD, &left);
    SAY("  left %d\n", left);
    TRY(fp, fread(block, 1, 8192, fp));
    ioctl(near_end, FIONREAD, &left);
    SAY("  left %d\n", left);
    shutdown(far_end, SHUT_WR);
    TRY(fp, fread(block, 1, sizeof block, fp));
    TRY(stdout, fclose(fp));
}

static void seeks(void)
{
    static const char *const all[] = {"r", "w", "r+", "a"};

    for (size_t i = 0; i < 4; i++) {
        FILE *fp;
        fpos_t at;

        connection();
        fp = fdopen(near_end, all[i]);
        SAY("%s\n", all[i]);
        for (int round = 0; round < 2; round++) {
            TRY(fp, fseek(fp, 0, SEEK_SET));
            TRY(fp, fseek(fp, 3, SEEK_CUR));
            TRY(fp, fseek(fp, 0, SEEK_END));
            TRY(fp, fseek(fp, 0, 99));
            TRY(fp, ftell(fp));
            TRY(fp, ftello(fp));
            TRY(fp, fgetpos(fp, &at));
            TRY(fp, (rewind(fp), 0));
            give("some text");
            TRY(fp, getc(fp));
            TRY(fp, fputc('w', fp));
            TRY(fp, fflush(fp));
            TRY(fp, fputs("more", fp));
            TRY(fp, getc(fp));
            arrived("then");
        }
        TRY(stdout, fclose(fp));
        arrived("closed");
        close(far_end);
    }
}

static void failing_writes(void)
{
    static char block[1 << 20];
    int small = 4096;
    FILE *fp = fdopen(near_end, "w");

    memset(block, 'z', sizeof block);
    setsockopt(near_end, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    fcntl(near_end, F_SETFL, O_NONBLOCK);
    TRY(fp, fwrite(block, 1, sizeof block, fp) < sizeof block);
    TRY(fp, fputs("x", fp));
    TRY(fp, fflush(fp));
    clearerr(fp);
    shutdown(near_end, SHUT_WR);
    TRY(fp, fputs("after shutdown", fp));
    TRY(fp, fflush(fp));
    TRY(fp, fflush(fp));
    TRY(fp, fprintf(fp, "again"));
    TRY(stdout, fclose(fp));
    pair();
    fp = fdopen(near_end, "w");
    close(far_end);
    TRY(fp, fputs("gone", fp));
    TRY(fp, fflush(fp));
    setvbuf(fp, NULL, _IONBF, 0);
    TRY(fp, fputs("gone", fp));
    TRY(fp, fprintf(fp, "%d", 5));
    TRY(stdout, fclose(fp));
}

static void no_action(int number)
{
    (void)number;
}

static void failing_reads(void)
{
    struct sigaction interrupt = {.sa_handler = no_action};
    struct itimerval soon = {.it_value = {0, 20000}};
    struct linger reset = {1, 0};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    FILE *fp = fdopen(fd, "r+");

    TRY(fp, getc(fp));
    TRY(fp, fputs("unconnected", fp));
    TRY(fp, fflush(fp));
    TRY(stdout, fclose(fp));
    fp = fdopen(near_end, "r");
    fcntl(near_end, F_SETFL, O_NONBLOCK);
    TRY(fp, getc(fp));
    clearerr(fp);
    give("later");
    TRY(fp, getc(fp));
    fcntl(near_end, F_SETFL, 0);
    TRY(fp, fseek(fp, 4, SEEK_CUR));
    sigaction(SIGALRM, &interrupt, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
    for (int i = 0; i < 5 && getc(fp) != EOF;)
        i++;
    SAY("  %s %d\n", strerrorname_np(errno), ferror(fp) != 0);
    clearerr(fp);
    setsockopt(far_end, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(far_end);
    TRY(fp, getc(fp));
    close(near_end);
    TRY(fp, getc(fp));
    TRY(stdout, fclose(fp));
}

/* One stream for each way, as network programs do it. */
static void two_streams(void)
{
    FILE *in = fdopen(near_end, "r"), *out = fdopen(near_end, "w");
    int (*volatile by_pclose)(FILE *) = pclose;
    char line[64];

    for (int i = 0; i < 3; i++) {
        give("question\n");
        TRY(in, fgets(line, sizeof line, in) != NULL);
        TRY(out, fprintf(out, "answer %d to %s", i, line));
        TRY(out, fflush(out));
        arrived("answer");
    }
    fputs("unsent", out);
    TRY(stdout, fclose(in));
    TRY(stdout, fclose(out));
    arrived("closed");
    pair();
    in = fdopen(near_end, "r"), out = fdopen(dup(near_end), "w");
    fputs("to the copy", out);
    TRY(stdout, fclose(in));
    arrived("one closed");
    TRY(stdout, fclose(out));
    arrived("both closed");
    pair();
    in = fdopen(near_end, "r+");
    fputs("by pclose", in);
    TRY(stdout, by_pclose(in));
    arrived("closed");
}

static void reopened(void)
{
    FILE *fp = fdopen(near_end, "w"), *same;
    char line[64] = "";

    fputs("before", fp);
    same = freopen("/dev/null", "w", fp);
    SAY("%d %d\n", same == fp, same ? fileno(same) == near_end : -1);
    arrived("reopened");
    TRY(fp, fputs("to nowhere", fp));
    TRY(fp, fflush(fp));
    TRY(stdout, fclose(fp));
    pair();
    fp = fdopen(near_end, "r");
    same = freopen("/proc/self/comm", "r", fp);
    TRY(fp, fgets(line, sizeof line, fp) != NULL);
    SAY("  %s", line);
    TRY(stdout, fclose(fp));
    pair();
    fp = fdopen(near_end, "w");
    fputs("before", fp);
    errno = 0;
    same = freopen("/nonexistent/file", "w", fp);
    SAY("%d %s\n", same == NULL, strerrorname_np(errno));
    arrived("not reopened");
    pair();
    fp = fdopen(near_end, "r+");
    errno = 0;
    same = freopen64(NULL, "r", fp);
    SAY("%d %s, open %d\n", same == NULL, strerrorname_np(errno), fcntl(near_end, F_GETFD));
}

static void wide(void)
{
    FILE *in = fdopen(near_end, "r"), *out = fdopen(near_end, "w");
    wchar_t line[64] = L"";

    TRY(out, fwide(out, 1));
    TRY(out, fwprintf(out, L"%ls %d\n", L"gr\u00fc\u00dfe", 7));
    TRY(out, fputwc(L'\u20ac', out));
    TRY(out, fputs("narrow", out));
    TRY(out, fflush(out));
    arrived("wide");
    give("gr\xc3\xbc\xc3\x9f\ntail");
    TRY(in, fgetws(line, 64, in) != NULL);
    SAY("  %zu %x\n", wcslen(line), (unsigned)line[2]);
    TRY(in, getwc(in));
    TRY(in, getc(in));
    TRY(stdout, fclose(in));
    TRY(stdout, fclose(out));
    arrived("closed");
    pair();
    out = fdopen(near_end, "w");
    TRY(out, fputs("narrow", out));
    TRY(out, fwide(out, 1));
    TRY(out, fwprintf(out, L"%d", 7));
    TRY(stdout, fclose(out));
    arrived("narrow");
}

static void *print_lines(void *stream)
{
    for (int i = 0; i < 500; i++) {
        flockfile(stream);
        putc_unlocked('<', stream);
        for (int k = 0; k < 8; k++)
            putc_unlocked('a' + k, stream);
        putc_unlocked('>', stream);
        funlockfile(stream);
        fprintf(stream, "<%s>", "abcdefgh");
    }
    return NULL;
}

static void *read_for_ever(void *stream)
{
    char line[100];

    while (fgets(line, sizeof line, stream))
        continue;
    return NULL;
}

static void threads(void)
{
    FILE *in = fdopen(near_end, "r"), *out = fdopen(near_end, "w");
    pthread_t t[4];
    void *result;

    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, print_lines, out);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    fflush(out);
    arrived("four threads");
    give("a line\n");
    pthread_create(&t[0], NULL, read_for_ever, in);
    for (int left = 1; left;)
        ioctl(near_end, FIONREAD, &left);
    pthread_cancel(t[0]);
    pthread_join(t[0], &result);
    SAY("cancelled %d, lock free %d\n", result == PTHREAD_CANCELED, ftrylockfile(in) == 0);
    funlockfile(in);
    give("another line\n");
    TRY(in, getc(in) != EOF);
    TRY(stdout, fclose(in));
    TRY(stdout, fclose(out));
}

/* What lies in the buffer is sent by whoever exits, once for each process that does. */
static void ends(const char *how)
{
    FILE *out = fdopen(near_end, "w");
    int status = 0;
    pid_t pid;

    fputs("inherited ", out);
    pid = fork();
    if (pid == 0) {
        fputs(how, out);
        if (!strcmp(how, "exit"))
            exit(3);
        if (!strcmp(how, "_exit"))
            _exit(4);
        if (!strcmp(how, "fcloseall"))
            _exit(fcloseall());
        fclose(out);
        _exit(5);
    }
    waitpid(pid, &status, 0);
    SAY("%s: %d\n", how, WEXITSTATUS(status));
    arrived("from the child");
    TRY(stdout, fclose(out));
    arrived("from the parent");
}

static void all_ends(void)
{
    static const char *const ways[] = {"exit", "_exit", "fcloseall", "fclose"};

    for (size_t i = 0; i < 4; i++) {
        ends(ways[i]);
        pair();
    }
}

static void many(void)
{
    FILE *open[300];
    size_t in_use = 0;

    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < 300; i++) {
            open[i] = fdopen(dup(near_end), i % 2 ? "w" : "r");
            if (!open[i])
                abort();
            if (i % 2)
                fprintf(open[i], "%d %d\n", round, i);
        }
        for (int i = 0; i < 300; i++)
            if (fclose(open[i]))
                abort();
        arrived("round");
        if (round == 0)
            in_use = mallinfo2().uordblks;
    }
    SAY("memory grew by %zu\n", mallinfo2().uordblks - in_use);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } groups[] = {
        {"modes", modes},
        {"writes", writes},
        {"buffering", buffering},
        {"reads", reads},
        {"large_reads", large_reads},
        {"seeks", seeks},
        {"failing_writes", failing_writes},
        {"failing_reads", failing_reads},
        {"two_streams", two_streams},
        {"reopened", reopened},
        {"wide", wide},
        {"threads", threads},
        {"ends", all_ends},
        {"many", many},
    };
    const char *group = argc > 1 ? argv[1] : "";

    setlocale(LC_ALL, "C.UTF-8");
    signal(SIGPIPE, SIG_IGN);
    if (argc > 2)
        pair();
    else
        connection();
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (!strcmp(group, groups[i].name))
            groups[i].run();
    return 0;
}
