/* SPDX-License-Identifier: Apache-2.0 */
#include "core/url.h"

#include <errno.h>
#include <string.h>

struct scheme {
    const char *name;
    uint16_t port;
};

/* Read-only. The schemes curl knows, with the ports it takes for them. */
static const struct scheme schemes[] = {
    {"http", 80},   {"https", 443}, {"ftp", 21},     {"ftps", 990},  {"file", 0},    {"ws", 80},
    {"wss", 443},   {"scp", 22},    {"sftp", 22},    {"ldap", 389},  {"ldaps", 636}, {"telnet", 23},
    {"dict", 2628}, {"gopher", 70}, {"gophers", 70}, {"tftp", 69},   {"imap", 143},  {"imaps", 993},
    {"pop3", 110},  {"pop3s", 995}, {"smtp", 25},    {"smtps", 465}, {"smb", 445},   {"smbs", 445},
    {"rtsp", 554},  {"rtmp", 1935}, {"mqtt", 1883},
};

/* Read-only. curl guesses these from the first label of a host when there is no scheme. */
static const char *const guesses[] = {"ftp", "dict", "ldap", "imap", "smtp", "pop3"};

/* Read-only. HTTP semantic conventions, url.full; the comparison is case-sensitive. */
static const char *const sensitive_keys[] = {
    "X-Amz-Signature",  "X-Amz-Credential", "X-Amz-Security-Token",
    "AWSAccessKeyId",   "Signature",        "sig",
    "X-Goog-Signature",
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
    return lower(c) >= 'a' && lower(c) <= 'z';
}

static bool same_word(const char *p, size_t len, const char *word)
{
    size_t i;

    for (i = 0; i < len && word[i]; i++)
        if (lower(p[i]) != word[i])
            return false;
    return i == len && !word[i];
}

static const struct scheme *known_scheme(const char *p, size_t len)
{
    for (size_t i = 0; i < COUNT(schemes); i++)
        if (same_word(p, len, schemes[i].name))
            return &schemes[i];
    return NULL;
}

/* Bytes of p before the first of the given stops. */
static size_t span_to(const char *p, size_t len, const char *stops)
{
    size_t n = 0;

    while (n < len && (p[n] == '\0' || !strchr(stops, p[n])))
        n++;
    return n;
}

/* The length of the scheme in front of ":/", 0 when there is none (RFC 3986 3.1; like curl, so that
 * "localhost:80/x" has none). */
static size_t scheme_len(const char *p, size_t len)
{
    size_t n = 0;

    if (!len || !is_alpha(p[0]))
        return 0;
    while (n < len &&
           (is_alpha(p[n]) || is_digit(p[n]) || p[n] == '+' || p[n] == '-' || p[n] == '.'))
        n++;
    return len - n >= 2 && p[n] == ':' && p[n + 1] == '/' ? n : 0;
}

/* Reads digits; empty text gives 0. Returns false for anything that is no port. */
static bool read_port(const char *p, size_t len, uint16_t *port)
{
    unsigned value = 0;

    for (size_t i = 0; i < len; i++) {
        if (!is_digit(p[i]))
            return false;
        value = value * 10 + (unsigned)(p[i] - '0');
        if (value > UINT16_MAX)
            return false;
    }
    *port = (uint16_t)value;
    return true;
}

/* Bytes curl refuses in a host name; what has one is no host, so it may be part of a secret. */
static bool host_byte(char c)
{
    return (unsigned char)c > ' ' && c != 0x7f && !strchr("/:#?!@{}[]\\$'\"^`*<>=;,+&()|", c);
}

static bool bracket_byte(char c)
{
    return is_digit(c) || is_alpha(c) || (c && strchr(":.%-_~", c));
}

/* Splits "host:port". Returns false when it is not of that form. */
static bool split_host(const char *p, size_t len, struct otel_text *host, struct otel_text *port)
{
    size_t n = 0;

    if (len && p[0] == '[') {
        for (n = 1; n < len && bracket_byte(p[n]); n++)
            ;
        if (n == len || p[n] != ']')
            return false;
        *host = (struct otel_text){p + 1, n - 1};
        n++;
    } else {
        while (n < len && host_byte(p[n]))
            n++;
        *host = (struct otel_text){p, n};
    }
    if (n < len && p[n] != ':')
        return false;
    n += n < len;
    *port = (struct otel_text){p + n, len - n};
    return host->len > 0;
}

static struct otel_text guess_scheme(struct otel_text host)
{
    size_t label = span_to(host.data, host.len, ".");

    if (label < host.len)
        for (size_t i = 0; i < COUNT(guesses); i++)
            if (same_word(host.data, label, guesses[i]))
                return (struct otel_text){guesses[i], label};
    return OTEL_TEXT("http");
}

static void split_tail(struct otel_url *url, const char *p, size_t len)
{
    size_t n = span_to(p, len, "?#");

    url->path = (struct otel_text){p, n};
    if (n < len && p[n] == '?') {
        size_t query = span_to(p + n + 1, len - n - 1, "#");

        url->query = (struct otel_text){p + n + 1, query};
        n += 1 + query;
    }
    if (n < len)
        url->fragment = (struct otel_text){p + n + 1, len - n - 1};
}

int otel_url_parse(struct otel_url *url, const char *text, size_t len)
{
    const struct scheme *known;
    struct otel_text port;
    size_t n = scheme_len(text, len), authority, user;

    memset(url, 0, sizeof *url);
    url->scheme = (struct otel_text){text, n};
    if (n) {
        size_t slashes = 0;

        n++;
        while (n < len && text[n] == '/' && slashes < 2)
            n++, slashes++;
        /* curl takes "http:///host" too; an empty authority is what file has there */
        if (n < len && text[n] == '/' && !same_word(text, url->scheme.len, "file"))
            n++;
    }
    authority = span_to(text + n, len - n, "/?#");
    split_tail(url, text + n + authority, len - n - authority);
    if (!authority && same_word(text, url->scheme.len, "file"))
        return 0;
    for (user = authority; user > 0 && text[n + user - 1] != '@'; user--)
        ;
    url->userinfo = (struct otel_text){text + n, user ? user - 1 : 0};
    if (!split_host(text + n + user, authority - user, &url->host, &port) ||
        !read_port(port.data, port.len, &url->port)) {
        memset(url, 0, sizeof *url);
        return -EINVAL;
    }
    url->port_given = port.len > 0;
    if (!url->scheme.len)
        url->scheme = guess_scheme(url->host);
    known = known_scheme(url->scheme.data, url->scheme.len);
    if (!url->port_given)
        url->port = known ? known->port : 0;
    return 0;
}

/* ---- redaction ---- */

struct writer {
    char *out;
    size_t cap, len;
};

static void put(struct writer *w, const char *p, size_t len)
{
    if (len > w->cap - w->len)
        len = w->cap - w->len;
    if (len)
        memcpy(w->out + w->len, p, len);
    w->len += len;
}

static void put_word(struct writer *w, const char *word)
{
    put(w, word, strlen(word));
}

static void put_userinfo(struct writer *w, const char *p, size_t len)
{
    if (len)
        put_word(w, memchr(p, ':', len) ? "REDACTED:REDACTED" : "REDACTED");
    put_word(w, "@");
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    return lower(c) >= 'a' && lower(c) <= 'f' ? lower(c) - 'a' + 10 : -1;
}

/* Bytes of "key=" at p when they spell key, also percent-encoded (a server decodes it), else 0. */
static size_t match_key(const char *p, size_t len, const char *key)
{
    size_t n = 0;

    for (; *key; key++) {
        char c;

        if (n == len)
            return 0;
        c = p[n++];
        if (c == '%' && len - n >= 2 && hex_value(p[n]) >= 0 && hex_value(p[n + 1]) >= 0) {
            c = (char)(hex_value(p[n]) << 4 | hex_value(p[n + 1]));
            n += 2;
        }
        if (c != *key)
            return 0;
    }
    return n < len && p[n] == '=' ? n + 1 : 0;
}

static size_t sensitive_key(const char *p, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < COUNT(sensitive_keys) && !n; i++)
        n = match_key(p, len, sensitive_keys[i]);
    return n;
}

/* The userinfo of a URL inside a URL ("?to=http://u:p@h"), '@' included; 0: none. */
static size_t nested_userinfo(const char *p, size_t len)
{
    size_t n = span_to(p, len, "/?#& \t\r\n\"'");

    while (n > 0 && p[n - 1] != '@')
        n--;
    return n;
}

/* Path, query and fragment. key_start: p begins a query key. */
static void put_tail(struct writer *w, const char *p, size_t len, bool key_start)
{
    size_t copied = 0, i = 0;
    bool fragment = false;

    while (i < len) {
        size_t key = key_start && !fragment ? sensitive_key(p + i, len - i) : 0;
        size_t user = 0;

        if (key) {
            put(w, p + copied, i + key - copied);
            put_word(w, "REDACTED");
            i += key;
            i += span_to(p + i, len - i, "&#");
            copied = i;
            key_start = false;
            continue;
        }
        if (i >= 3 && memcmp(p + i - 3, "://", 3) == 0)
            user = nested_userinfo(p + i, len - i);
        if (user) {
            put(w, p + copied, i - copied);
            put_userinfo(w, p + i, user - 1);
            i += user;
            copied = i;
            continue;
        }
        fragment = fragment || p[i] == '#';
        key_start = p[i] == '?' || p[i] == '&' || p[i] == ';';
        i++;
    }
    put(w, p + copied, len - copied);
}

static size_t last_at(const char *p, size_t len)
{
    while (len > 0 && p[len - 1] != '@')
        len--;
    return len;
}

/* Is there a colon that does not belong to a nested "://"? */
static bool has_colon(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i] == ':' && !(len - i >= 3 && p[i + 1] == '/' && p[i + 2] == '/'))
            return true;
    return false;
}

/* The last '@' of a path that does not begin a segment ("/@scope" is no secret), counted as last_at
 * does. */
static size_t last_inner_at(const char *p, size_t len)
{
    size_t at = last_at(p, len);

    while (at > 1 && p[at - 2] == '/')
        at = last_at(p, at - 1);
    return at;
}

/* The bytes behind scheme and slashes that may hold user and password, '@' included; 0: none.
 *
 * By RFC 3986 the userinfo ends at the '@' before the first '/', '?' or '#'. But people do write
 * passwords that hold those bytes, so everything up to the last '@' of the text goes when there is
 * a user, or when what stands in the host's place is no clean host or host:port. Even behind a
 * clean one an '@' in the path counts when a colon stands before it ("user/x:secret@host"), or when
 * the "host" has no dot and a port ("user:12/34@host"). */
static size_t secret_len(const char *p, size_t len)
{
    size_t authority = span_to(p, len, "/?#"), path = span_to(p, len, "?#") - authority, at;
    struct otel_text host, port;
    uint16_t number;

    if (!split_host(p, authority, &host, &port) || !read_port(port.data, port.len, &number) ||
        (!port.len && p[authority - 1] == ':'))
        return last_at(p, len);
    at = last_inner_at(p + authority, path);
    if (!at)
        return 0;
    if (has_colon(p + authority, at))
        return authority + at;
    if (port.len && !memchr(host.data, '.', host.len) && p[0] != '[' &&
        !same_word(host.data, host.len, "localhost"))
        return authority + at;
    return 0;
}

/* Writes the scheme and its slashes, as they are or "http://". Returns the bytes of p done. */
static size_t put_scheme(struct writer *w, const char *p, size_t len, bool *file)
{
    size_t n = scheme_len(p, len), slashes;
    bool known = n && known_scheme(p, n) != NULL;
    struct otel_url url;

    *file = known && same_word(p, n, "file");
    /* "bob:/secret@host" is rather a user than a scheme */
    if (n && (known || (len - n >= 3 && p[n + 2] == '/'))) {
        slashes = n + 1;
        while (slashes < len && (p[slashes] == '/' || p[slashes] == '\\') &&
               !(*file && slashes >= n + 3))
            slashes++;
        put(w, p, slashes);
        return slashes;
    }
    if (otel_url_parse(&url, p, len) == 0)
        put(w, url.scheme.data, n ? 0 : url.scheme.len);
    if (!w->len)
        put_word(w, "http");
    put_word(w, "://");
    for (n = 0; n < len && (p[n] == '/' || p[n] == '\\'); n++)
        ;
    return n;
}

size_t otel_url_redact(char *out, size_t cap, const char *text, size_t len)
{
    struct writer w = {out, cap, 0};
    struct otel_text host, port;
    uint16_t number;
    size_t n, secret;
    bool file;

    while (len && (unsigned char)*text <= ' ')
        text++, len--;
    if (!len)
        return 0;
    n = put_scheme(&w, text, len, &file);
    text += n;
    len -= n;
    n = span_to(text, len, "/?#");
    secret = file && !n ? 0 : secret_len(text, len);
    if (secret) {
        put_userinfo(&w, text, secret - 1);
        text += secret;
        len -= secret;
    } else if (memchr(text, ':', n) &&
               (!split_host(text, n, &host, &port) || !read_port(port.data, port.len, &number))) {
        /* no port, so it may be a password whose '@' is missing or encoded */
        put(&w, text, span_to(text, n, ":") + 1);
        put_word(&w, "REDACTED");
        return w.len;
    }
    put_tail(&w, text, len, false);
    return w.len;
}

size_t otel_url_redact_query(char *out, size_t cap, const char *query, size_t len)
{
    struct writer w = {out, cap, 0};

    put_tail(&w, query, len, true);
    return w.len;
}
