/* SPDX-License-Identifier: Apache-2.0
 *
 * A document service as many a company has one: HTTP over plain sockets, libcurl towards a language
 * model, SQLite. It knows nothing of tracing; `make demo` traces it as it is.
 *
 * Threads: one for each connection; every function below may run on any of them.
 */
#ifndef DOCSVC_H
#define DOCSVC_H

#include <stddef.h>

#define ENTITIES_MAX 16
#define ENTITY_LENGTH 64
#define DIMENSIONS 32

struct entities {
    size_t count;
    char name[ENTITIES_MAX][ENTITY_LENGTH];
};

/* document.c: what is done with a document. Returns how many entities were stored, or -1. */
int process_document(const char *text, size_t length);

/* model.c: asks the language model which entities a text has. The caller frees the result, which
 * is NULL when the model does not answer. */
struct entities *extract_entities(const char *text, size_t length);

/* store.c: opens the database, once; returns 0 or -1. Stores entities, each with one statement;
 * returns how many, or -1. */
int store_open(const char *path);
int save_entities(const struct entities *entities);

/* embeddings.c: a unit vector for each entity, kept for the similarity search. */
void create_embeddings(const struct entities *entities);

#endif
