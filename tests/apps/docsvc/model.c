/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/apps/docsvc/docsvc.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_URL "http://api.openai.com/v1/chat/completions"
#define ANSWER_MAX 8192

struct answer {
    size_t length;
    char text[ANSWER_MAX + 1];
};

static size_t receive(char *bytes, size_t size, size_t count, void *arg)
{
    struct answer *answer = arg;
    size_t length = size * count;

    if (length > ANSWER_MAX - answer->length)
        return 0;
    memcpy(answer->text + answer->length, bytes, length);
    answer->length += length;
    answer->text[answer->length] = '\0';
    return length;
}

/* The text as a JSON string; the caller frees it. */
static char *quoted(const char *text, size_t length)
{
    char *out = malloc(6 * length + 3), *at = out;

    if (!out)
        return NULL;
    *at++ = '"';
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < ' ')
            at += sprintf(at, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            at += sprintf(at, "\\%c", c);
        else
            *at++ = (char)c;
    }
    *at++ = '"';
    *at = '\0';
    return out;
}

static int ask(const char *question, struct answer *answer)
{
    static const char before[] =
        "{\"model\":\"gpt-4\",\"messages\":[{\"role\":\"user\",\"content\":";
    const char *url = getenv("MODEL_URL");
    size_t room = strlen(question) + sizeof before + 8;
    char *body = malloc(room);
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    CURL *curl = curl_easy_init();
    int failed = 1;

    if (body && headers && curl) {
        snprintf(body, room, "%s%s}]}", before, question);
        curl_easy_setopt(curl, CURLOPT_URL, url ? url : DEFAULT_URL);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
        curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        failed = curl_easy_perform(curl) != CURLE_OK;
    }
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    free(body);
    return failed ? -1 : 0;
}

/* The model was told to answer with one entity a line: "entity: NAME". */
static void read_entities(const struct answer *answer, struct entities *entities)
{
    static const char mark[] = "entity: ";

    for (const char *at = strstr(answer->text, mark); at && entities->count < ENTITIES_MAX;
         at = strstr(at, mark)) {
        size_t length;

        at += sizeof mark - 1;
        length = strcspn(at, "\\\"\n");
        if (length >= ENTITY_LENGTH)
            length = ENTITY_LENGTH - 1;
        memcpy(entities->name[entities->count], at, length);
        entities->name[entities->count++][length] = '\0';
    }
}

struct entities *extract_entities(const char *text, size_t length)
{
    struct entities *entities = calloc(1, sizeof *entities);
    struct answer *answer = calloc(1, sizeof *answer);
    char *question = quoted(text, length);

    if (!entities || !answer || !question || ask(question, answer) != 0) {
        free(entities);
        entities = NULL;
    } else {
        read_entities(answer, entities);
    }
    free(question);
    free(answer);
    return entities;
}
