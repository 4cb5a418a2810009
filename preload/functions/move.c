/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/functions/move.h"

#include <Zydis/Zydis.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

#define ZYDIS "libZydis.so.4.0"

/* Written by start and at the first use; one thread at a time, as the contract says. */
static void *(*open_library)(const char *file, int mode);
static __typeof__(&ZydisDecoderInit) decoder_init;
static __typeof__(&ZydisDecoderDecodeInstruction) decode_instruction;
static ZydisDecoder decoder;
static bool looked_for;

/* What is written, and where it will run. */
struct out {
    uint8_t *at, *end;
};

void otel_move_start(void *(*real_dlopen)(const char *file, int mode))
{
    open_library = real_dlopen;
}

static bool has_decoder(void)
{
    void *library;

    if (looked_for)
        return decode_instruction != NULL;
    looked_for = true;
    library = open_library(ZYDIS, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        dlerror();
        return false;
    }
    *(void **)&decoder_init = dlsym(library, "ZydisDecoderInit");
    if (!decoder_init ||
        ZYAN_FAILED(decoder_init(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
        return false;
    *(void **)&decode_instruction = dlsym(library, "ZydisDecoderDecodeInstruction");
    return decode_instruction != NULL;
}

static bool decode(const uint8_t *at, const uint8_t *end, ZydisDecodedInstruction *i)
{
    return at < end &&
           ZYAN_SUCCESS(decode_instruction(&decoder, NULL, at, (ZyanUSize)(end - at), i));
}

static bool is_branch(const ZydisDecodedInstruction *i)
{
    return i->raw.imm[0].is_relative;
}

static const uint8_t *target_of(const ZydisDecodedInstruction *i, const uint8_t *at)
{
    return at + i->length + i->raw.imm[0].value.s;
}

static bool is_rip_relative(const ZydisDecodedInstruction *i)
{
    return (i->attributes & ZYDIS_ATTRIB_HAS_MODRM) && i->raw.modrm.mod == 0 &&
           i->raw.modrm.rm == 5 && i->raw.disp.size == 32;
}

/* --- may they go? -------------------------------------------------------------------------------
 */

/* No branch from [at, end) to one of n bytes of code; a call of the function itself is none. */
static bool is_undisturbed(const uint8_t *at, const uint8_t *end, const uint8_t *code, size_t n,
                           const char **why)
{
    ZydisDecodedInstruction i;
    const uint8_t *target;

    for (; at < end; at += i.length) {
        if (!decode(at, end, &i)) {
            *why = "its code cannot be decoded as a whole";
            return false;
        }
        if (!is_branch(&i))
            continue;
        target = target_of(&i, at);
        if (target < code || target >= code + n)
            continue;
        if (target == code && i.meta.category == ZYDIS_CATEGORY_CALL)
            continue;
        *why = "it jumps to its own first bytes";
        return false;
    }
    return true;
}

/* The length of the instructions that cover the first `least` bytes, 0: they must stay. */
static size_t covered(const struct otel_functions_move *move, size_t least, const char **why)
{
    const uint8_t *end = move->code + move->size;
    size_t n = 0;
    ZydisDecodedInstruction i;

    while (n < least) {
        if (!decode(move->code + n, end, &i)) {
            *why = move->size < least + 1 ? "it is too short" : "its first bytes are no code";
            return 0;
        }
        if (i.meta.category == ZYDIS_CATEGORY_RET && n + i.length < least) {
            *why = "it is too short";
            return 0;
        }
        n += i.length;
        if (move->at_once && n < least) {
            *why = "other threads may be in its first bytes";
            return 0;
        }
    }
    return n;
}

/* --- moving -------------------------------------------------------------------------------------
 */

static bool put(struct out *out, const void *bytes, size_t n)
{
    if ((size_t)(out->end - out->at) < n)
        return false;
    memcpy(out->at, bytes, n);
    out->at += n;
    return true;
}

/* Distance to target from the end of the four bytes that come next. */
static bool put_distance(struct out *out, const uint8_t *target, size_t behind)
{
    intptr_t distance = (intptr_t)target - (intptr_t)(out->at + 4 + behind);
    int32_t narrow = (int32_t)distance;

    return narrow == distance && put(out, &narrow, sizeof narrow);
}

static bool put_branch(struct out *out, const ZydisDecodedInstruction *i, const uint8_t *target)
{
    uint8_t condition[2] = {0x0f, (uint8_t)(0x80 | (i->opcode & 15))};
    uint8_t jump = 0xe9;
    bool short_condition = i->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && i->opcode >> 4 == 7;
    bool near_condition = i->opcode_map == ZYDIS_OPCODE_MAP_0F && i->opcode >> 4 == 8;

    if (i->meta.category == ZYDIS_CATEGORY_UNCOND_BR)
        return put(out, &jump, 1) && put_distance(out, target, 0);
    if (i->meta.category == ZYDIS_CATEGORY_COND_BR && (short_condition || near_condition))
        return put(out, condition, sizeof condition) && put_distance(out, target, 0);
    return false; /* loop, jrcxz, xbegin */
}

static bool put_rip_relative(struct out *out, const ZydisDecodedInstruction *i, const uint8_t *at)
{
    size_t before = i->raw.disp.offset, behind = i->length - before - 4;

    return i->address_width == 64 && put(out, at, before) &&
           put_distance(out, at + i->length + i->raw.disp.value, behind) &&
           put(out, at + before + 4, behind);
}

/* A call is the last of what goes, for it reaches beyond the first bytes. Its return address stays
 * the one it had, where an unwinder knows the way: it is pushed, and the call becomes a jump. */
static bool put_call(struct out *out, const ZydisDecodedInstruction *i, const uint8_t *at)
{
    static const uint8_t push[2] = {0xff, 0x35}, jump_through[2] = {0xff, 0x25};
    const uint8_t *next = at + i->length;
    uint8_t jump = 0xe9;

    if (out->end - out->at < (ptrdiff_t)sizeof next)
        return false;
    out->end -= sizeof next;
    memcpy(out->end, &next, sizeof next);
    if (!put(out, push, sizeof push) || !put_distance(out, out->end, 0))
        return false;
    if (is_branch(i))
        return put(out, &jump, 1) && put_distance(out, target_of(i, at), 0);
    return is_rip_relative(i) && i->length == 6 && put(out, jump_through, sizeof jump_through) &&
           put_distance(out, next + i->raw.disp.value, 0);
}

static bool put_instruction(struct out *out, const ZydisDecodedInstruction *i, const uint8_t *at)
{
    if (i->meta.category == ZYDIS_CATEGORY_CALL)
        return put_call(out, i, at);
    if (is_branch(i))
        return put_branch(out, i, target_of(i, at));
    if (is_rip_relative(i))
        return put_rip_relative(out, i, at);
    return put(out, at, i->length);
}

size_t otel_move(const struct otel_functions_move *move, size_t least, const char **why)
{
    struct out out = {move->to, move->to + move->room};
    const uint8_t *end = move->code + move->size;
    uint8_t jump = 0xe9;
    size_t n;
    ZydisDecodedInstruction i;

    *why = "no " ZYDIS " to decode it with";
    if (!has_decoder())
        return 0;
    *why = "its length is not known";
    n = move->size ? covered(move, least, why) : 0;
    if (!n || !is_undisturbed(move->code, end, move->code, n, why) ||
        !is_undisturbed(move->cold, move->cold + move->cold_size, move->code, n, why))
        return 0;
    *why = "its first instructions cannot be moved";
    for (const uint8_t *at = move->code; at < move->code + n; at += i.length) {
        if (!decode(at, end, &i) || !put_instruction(&out, &i, at))
            return 0;
    }
    return put(&out, &jump, 1) && put_distance(&out, move->code + n, 0) ? n : 0;
}
