/* SPDX-License-Identifier: Apache-2.0
 *
 * The folder of the spool (spool_format.h): OTEL_AUTO_SPOOL_DIR, else /dev/shm/otel-auto-UID, else
 * $XDG_RUNTIME_DIR/otel-auto. It must be on a tmpfs, for the host writes into what lies there: a
 * disk could make it wait. It must be the user's own and nobody else's to look into.
 *
 * Names: DESTINATION.PID.RANDOM, the first and the last as eight hex digits: whose spans go to
 * another collector are left alone without a look. Names that begin with a dot are being made.
 *
 * Any thread. Descriptors are close-on-exec and the caller's to close.
 */
#ifndef OTEL_CORE_SPOOL_FOLDER_H
#define OTEL_CORE_SPOOL_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OTEL_SPOOL_PATH_MAX 512
#define OTEL_SPOOL_NAME_MAX 40

struct otel_spool_folder {
    char path[OTEL_SPOOL_PATH_MAX];
    int fd;
};

/* Once, at start-up: notes what the environment says of the user's runtime folder. */
void otel_spool_folder_init(void);

/* True when there is to be a spool at all: the exporters send somewhere, the process is not
 * AT_SECURE, OTEL_AUTO_SPOOL_DIR is not off. */
bool otel_spool_wanted(void);

/* Opens the folder; make: makes it when it is missing. Returns 0, or -Exxx after a log line, said
 * once in a process, that tells why there is none (not when it is only missing and make is not
 * set). */
int otel_spool_folder_open(struct otel_spool_folder *folder, bool make);

/* Takes the folder away when it is empty and ours; one that the user has named stays. */
void otel_spool_folder_leave(const char *path);

/* Where the spans of this process go: collector, protocol, headers, in one number. */
uint64_t otel_spool_destination(void);

/* Writes the name of a file of a process, terminated. */
void otel_spool_name(char out[static OTEL_SPOOL_NAME_MAX], uint32_t pid, uint32_t random);

/* Is this a name of ours, and one of this destination? *pid: of the process it names. */
bool otel_spool_name_parse(const char *name, uint32_t *destination, uint32_t *pid);

/* A mark for other processes: the collector could not be reached a moment ago, or can be again. */
void otel_spool_mark_away(bool away);

/* Has somebody set that mark within so many ms? *there: it is there, however old. */
bool otel_spool_marked_away(uint32_t within_ms, bool *there);

/* A file of so many bytes, mapped and locked (alive), under a name that no reader looks at.
 * Returns its memory, or NULL; then nothing is left of it. at: as otel_sys_file.map. */
void *otel_spool_make(const struct otel_spool_folder *folder, const char *hidden, uint64_t size,
                      void *at);

#endif
