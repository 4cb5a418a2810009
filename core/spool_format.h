/* SPDX-License-Identifier: Apache-2.0
 *
 * What a file of the spool looks like: a header, the records (record.h), the overflow blocks. It is
 * the memory of its process, mapped; or a copy of a batch that could not be sent. No pointer in it
 * is followed, and whoever reads one that is not his own believes nothing that stands in it.
 *
 * Alive is a process that has its file mapped: the kernel keeps a flock(2) as long as something
 * refers to the open file, a mapping too, when no descriptor is left. Who gets the lock of a file
 * may therefore empty it, and nobody else.
 *
 * Not portable, on purpose: a file is read on the machine that wrote it, by the same build of the
 * library or not at all (magic, sizes).
 */
#ifndef OTEL_CORE_SPOOL_FORMAT_H
#define OTEL_CORE_SPOOL_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/handover.h"
#include "core/record.h"
#include "core/resource.h"

#define OTEL_SPOOL_MAGIC UINT64_C(0x32306c6f6f70736f) /* "ospool02" */
#define OTEL_SPOOL_PAGE 4096
#define OTEL_SPOOL_RECORDS_MAX (1U << 21)
#define OTEL_SPOOL_OVERFLOWS_MAX (1U << 16)

enum otel_spool_leaving {
    OTEL_SPOOL_RUNNING, /* found so with nobody alive: it was killed */
    OTEL_SPOOL_LEFT,    /* exit, _exit, exec: what is open is not to be told of */
    OTEL_SPOOL_BATCH,   /* a copy of a batch */
};

struct otel_spool_header {
    uint64_t magic;
    uint32_t header_size; /* sizeof, rounded up to a page: where the records begin */
    uint32_t record_size;
    uint32_t overflow_size;
    uint32_t records; /* room for so many; overflow blocks begin on the page behind */
    uint32_t overflows;
    uint32_t pid;
    uint64_t destination;             /* otel_spool_destination() of the writer */
    uint64_t made_unix_ns;            /* when the file was made */
    _Atomic uint64_t seen_mono_ns;    /* when its process last looked at the clock here */
    _Atomic uint32_t records_there;   /* below: written perhaps; above: not to be touched */
    _Atomic uint32_t overflows_there; /* the same */
    _Atomic uint32_t leaving;         /* enum otel_spool_leaving */
    _Atomic uint32_t signal;          /* that ended it, as its parent saw; 0: not known */
    _Atomic uint32_t crashes;         /* at a start, in a row, before this process (obituary.h) */
    _Atomic uint64_t died_unix_ns;    /* when its parent saw that */
    struct otel_handover handover;    /* of the batch whose records are EXPORTING */
    /* For the time before the resource is known: what it will be made of. Texts, cut. */
    char executable[256];
    char service_name[256];
    char resource_attributes[4096];
    _Atomic uint32_t resource_len; /* 0: not yet */
    uint8_t resource[OTEL_RESOURCE_MAX];
};

/* Bytes from the file's beginning. */
uint64_t otel_spool_records_at(void);
uint64_t otel_spool_overflows_at(uint32_t records);
uint64_t otel_spool_size(uint32_t records, uint32_t overflows);

/* Can this header of a file of file_size bytes be believed as far as sizes go? Everything in it
 * that is used later is within bounds then, as long as nobody writes the file meanwhile. */
bool otel_spool_sound(const struct otel_spool_header *header, uint64_t file_size);

/* What to do with a record of a file whose process is gone. */
enum otel_spool_fate {
    OTEL_SPOOL_NOTHING, /* free, or sent, or open in a process that left: no span to send */
    OTEL_SPOOL_TORN,    /* half written: to be counted */
    OTEL_SPOOL_ENDED,   /* to be sent */
    OTEL_SPOOL_OPEN,    /* to be ended and sent */
};

/* delivered: otel_handover_complete() of its header. */
enum otel_spool_fate otel_spool_fate(const struct otel_record *record, uint32_t leaving,
                                     bool delivered);

/* Where the data of a record lies: in it, or in the overflow block of the file that it names;
 * *block is set then, else UINT32_MAX. NULL: what it says cannot be. The block may not have been
 * touched yet: only the address is computed. */
const uint8_t *otel_spool_data(const struct otel_spool_header *header,
                               const struct otel_record *record, uint32_t *block);

/* Ends a record that was open, at mono_ns or later: status Error, died is set. */
void otel_spool_end(struct otel_record *record, uint64_t mono_ns);

/* What says so, in wire form behind the data that the record has: process.died, process.signal
 * where it is known, and a status message. Returns the bytes, at most OTEL_SPOOL_DIED_MAX. */
#define OTEL_SPOOL_DIED_MAX 128
size_t otel_spool_died(uint8_t *out, uint32_t signal);

#endif
