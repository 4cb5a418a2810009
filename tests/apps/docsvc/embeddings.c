/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/apps/docsvc/docsvc.h"

#include <pthread.h>
#include <string.h>

#define KEPT 1024

/* The vectors of the latest entities, under the lock. */
static float kept[KEPT][DIMENSIONS];
static size_t kept_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Its pairs of letters, hashed into dimensions and scaled to length 1. */
static void embed(const char *name, float vector[DIMENSIONS])
{
    float square = 0, root = 1;

    memset(vector, 0, DIMENSIONS * sizeof *vector);
    for (const char *c = name; *c; c++) {
        unsigned hash = (unsigned char)c[0] * 131u + (unsigned char)c[1];

        vector[hash * 2654435761u >> 27] += hash & 1 ? 1.0f : -1.0f;
    }
    for (int i = 0; i < DIMENSIONS; i++)
        square += vector[i] * vector[i];
    for (int i = 0; i < 20 && square > 0; i++)
        root = (root + square / root) / 2;
    for (int i = 0; i < DIMENSIONS; i++)
        vector[i] /= root;
}

void create_embeddings(const struct entities *entities)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < entities->count; i++)
        embed(entities->name[i], kept[kept_count++ % KEPT]);
    pthread_mutex_unlock(&lock);
}
