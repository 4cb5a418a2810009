/* SPDX-License-Identifier: Apache-2.0
 *
 * What libyaml gets for malloc and friends: the build renames these symbols in its objects
 * (Makefile, libyaml.o). A block is taken from the end of one mapping and given back with all of
 * it, for a document is read once and short. Used by yaml.c alone; one thread.
 */
#ifndef OTEL_CORE_YAML_MEMORY_H
#define OTEL_CORE_YAML_MEMORY_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>

/* Maps the memory; what it held before is gone. False: none was granted. */
bool otel_yaml_memory_begin(void);
void otel_yaml_memory_end(void);

/* Where to go on when libyaml finds itself in a state it believes impossible. */
extern jmp_buf otel_yaml_broken;

void *otel_yaml_malloc(size_t n);
void *otel_yaml_realloc(void *p, size_t n);
void otel_yaml_release(void *p);
char *otel_yaml_strdup(const char *text);
_Noreturn void otel_yaml_assert(const char *what, const char *file, unsigned line,
                                const char *function);

#endif
