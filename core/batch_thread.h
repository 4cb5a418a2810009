/* SPDX-License-Identifier: Apache-2.0
 *
 * How the batch processor's thread is made (batch.h).
 */
#ifndef OTEL_CORE_BATCH_THREAD_H
#define OTEL_CORE_BATCH_THREAD_H

#include <pthread.h>

#include "core/platform.h"

/* A thread with every signal blocked: the host's handlers must never run on it. On a small stack
 * where the host's static TLS leaves it that choice. 0, or an errno of pthread_create(). */
int otel_batch_thread(const struct otel_platform *platform, pthread_t *thread,
                      void *(*run)(void *));

#endif
