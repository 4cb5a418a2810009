/* SPDX-License-Identifier: Apache-2.0 */
// LIBS: -lsqlite3
/* An example of the API in C: orders are read, stored, and handed to a worker by a message that
 * carries the context. It runs the same without libotel_auto; nothing of it is linked. */
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/otel_auto.h"

#define HEADERS 8

/* A message between threads: any carrier of names and values will do. */
struct message {
    char name[HEADERS][32];
    char value[HEADERS][512];
    size_t headers;
    const char *order;
    struct otel_auto_span delivery; /* begun by the sender, ended by the receiver */
};

static void set_header(void *carrier, const char *name, const char *value)
{
    struct message *message = carrier;

    if (message->headers == HEADERS)
        return;
    snprintf(message->name[message->headers], sizeof message->name[0], "%s", name);
    snprintf(message->value[message->headers], sizeof message->value[0], "%s", value);
    message->headers++;
}

static const char *get_header(void *carrier, const char *name, size_t index)
{
    const struct message *message = carrier;

    for (size_t i = 0; i < message->headers; i++)
        if (strcasecmp(message->name[i], name) == 0 && index-- == 0)
            return message->value[i];
    return NULL;
}

/* The scope's span is current: the statement libotel_auto sees is a child of it. */
static int store(sqlite3 *db, const char *order)
{
    OTEL_AUTO_SPAN_AS(span, "store");
    char *sql = sqlite3_mprintf("INSERT INTO orders VALUES (%Q)", order);
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

    sqlite3_free(sql);
    otel_auto_set_text(&span.span, "order.name", order);
    otel_auto_set_int(&span.span, "order.length", (int64_t)strlen(order));
    otel_auto_set_double(&span.span, "order.weight", 2.5);
    otel_auto_set_bool(&span.span, "order.express", 1);
    if (rc) {
        otel_auto_set_status(&span.span, OTEL_AUTO_ERROR, sqlite3_errmsg(db));
        return -1; /* ends the span, too */
    }
    return 0;
}

static void *work(void *arg)
{
    struct message *message = arg;
    struct otel_auto_context sender;
    struct otel_auto_token token;

    otel_auto_end(&message->delivery);
    otel_auto_extract(&sender, get_header, message);
    token = otel_auto_attach(&sender);
    {
        OTEL_AUTO_SPAN("ship");
        printf("shipped %s\n", message->order);
    }
    otel_auto_detach(&token);
    otel_auto_release(&sender);
    return NULL;
}

/* Gives the order to a worker, whose part of the trace is found by the message's headers. */
static void hand_over(const char *order, const struct otel_auto_context *import)
{
    struct message message = {.order = order};
    struct otel_auto_attribute attributes[2];
    struct otel_auto_context delivery;
    pthread_t worker;

    otel_auto_start_at(&message.delivery, "deliver", OTEL_AUTO_PRODUCER, NULL, 0);
    attributes[0] = otel_auto_text("queue.name", "shipping");
    attributes[1] = otel_auto_int("queue.length", 1);
    otel_auto_event(&message.delivery, "queued", attributes, 2);
    otel_auto_link(&message.delivery, import, attributes, 1);
    otel_auto_context_of(&message.delivery, &delivery);
    otel_auto_inject(&delivery, set_header, &message);
    if (pthread_create(&worker, NULL, work, &message) == 0)
        pthread_join(worker, NULL);
    otel_auto_end(&message.delivery); /* where no worker did */
}

int main(void)
{
    static const char *const orders[] = {"tea", "tin", "tea"};
    struct otel_auto_span import;
    struct otel_auto_context context;
    struct otel_auto_token token;
    int failed = 0;
    sqlite3 *db;

    if (sqlite3_open(":memory:", &db) ||
        sqlite3_exec(db, "CREATE TABLE orders (name UNIQUE)", NULL, NULL, NULL))
        return 2;
    otel_auto_start(&import, "import");
    otel_auto_context_of(&import, &context);
    token = otel_auto_attach(&context);
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        if (store(db, orders[i]) == 0)
            hand_over(orders[i], &context);
        else
            failed++;
    }
    otel_auto_detach(&token);
    otel_auto_set_int(&import, "orders.failed", failed);
    otel_auto_end(&import);
    printf("%d failed\n", failed);
    sqlite3_close(db);
    return 0;
}
