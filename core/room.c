/* SPDX-License-Identifier: Apache-2.0 */
#include "core/room.h"

#include "core/generation.h"
#include "core/sys.h"
#include "core/tls.h"

/* The thread's own, for a vfork child with that process id. The thread itself stands still until
 * the child has ended or is another program, so a user with another id is gone. NULL: this process
 * has it in use (a signal handler that interrupted it), or there is no memory. */
static void *take_kept(size_t len, int pid)
{
    if (otel_tls.room_user == pid)
        return NULL;
    if (otel_tls.room_len < len) {
        otel_room_leave();
        otel_tls.room = otel_sys.mmap(len);
        otel_tls.room_len = otel_tls.room ? len : 0;
    }
    if (otel_tls.room)
        otel_tls.room_user = pid;
    return otel_tls.room;
}

void *otel_room_take(struct otel_room *room, size_t len)
{
    int pid = otel_sys.getpid();

    *room = (struct otel_room){.len = len};
    if (pid != otel_generation_pid())
        room->p = take_kept(len, pid);
    room->kept = room->p != NULL;
    if (!room->p)
        room->p = otel_sys.mmap(len);
    return room->p;
}

void otel_room_give(struct otel_room *room)
{
    if (room->kept)
        otel_tls.room_user = 0;
    else if (room->p)
        otel_sys.munmap(room->p, room->len);
    *room = (struct otel_room){0};
}

void otel_room_leave(void)
{
    void *p = otel_tls.room;

    otel_tls.room = NULL;
    if (p)
        otel_sys.munmap(p, otel_tls.room_len);
    otel_tls.room_len = 0;
    otel_tls.room_user = 0;
}
