/* SPDX-License-Identifier: Apache-2.0 */
#include "preload/stub.h"

#include <stddef.h>
#include <string.h>

#include "core/sys.h"

#define VARIADIC_BYTES 1024 /* of arguments on the stack, where nobody knows how many there are */
#define PAGE 4096
#define PASS UINT64_MAX

#define INTEGERS 6 /* registers for arguments */
#define VECTORS 8
#define IN_MEMORY 16 /* a struct longer than this goes by memory */

/* What the stub keeps of a call; the assembly below knows the offsets. */
struct frame {
    unsigned char vector[16][16];
    uint64_t rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11;
    uint64_t real;
    unsigned char x87[16];
    struct otel_function_call call;
};

/* Bytes from the frame to the saved rbp, 8 more than a multiple of 16: the real function finds the
 * stack aligned as the caller left it. Within one file gcc leaves it unaligned where it knows that
 * the function does not mind. */
#define FRAME 504

_Static_assert(sizeof(struct frame) <= FRAME && FRAME % 16 == 8 && FRAME == 504,
               "known to the assembly");
_Static_assert(offsetof(struct frame, rax) == 256, "known to the assembly");
_Static_assert(offsetof(struct frame, r11) == 320, "known to the assembly");
_Static_assert(offsetof(struct frame, real) == 328, "known to the assembly");
_Static_assert(offsetof(struct frame, x87) == 336, "known to the assembly");
_Static_assert(offsetof(struct otel_function_site, returns_x87) == 0, "known to the assembly");

/* Behind the frame: rbp, the site, the return address, then the arguments on the stack. */
#define SITE_AT (FRAME + 8)
#define STACK_AT (FRAME + 24)

__attribute__((used)) uint64_t otel_stub_enter(struct frame *frame);
__attribute__((used)) uint64_t otel_stub_leave(struct frame *frame);
__attribute__((used)) int otel_stub_personality(int version, int actions, uint64_t class,
                                                void *exception, void *context);
void otel_stub_entry(void);

static const struct otel_function_site *site_of(const struct frame *frame)
{
    const struct otel_function_site *site;

    memcpy(&site, (const char *)frame + SITE_AT, sizeof site);
    return site;
}

/* As many as there may be, but not beyond what is mapped. */
static uint64_t variadic_bytes(const char *stack)
{
    uintptr_t next = ((uintptr_t)stack + PAGE) & ~(uintptr_t)(PAGE - 1);

    if (next - (uintptr_t)stack >= VARIADIC_BYTES || otel_sys.probe((const void *)next) == 0)
        return VARIADIC_BYTES;
    return (next - (uintptr_t)stack) & ~(uint64_t)15;
}

/* Returns how much of the stack the real call gets a copy of; PASS: jump there instead. */
uint64_t otel_stub_enter(struct frame *frame)
{
    const struct otel_function_site *site = site_of(frame);
    char *base = (char *)frame;
    void *args[OTEL_FUNCTION_ARGS];

    frame->real = (uint64_t)site->real;
    for (unsigned i = 0; i < site->spec.args_count; i++)
        args[i] = base + site->places[i];
    if (!otel_function_events->enter(&frame->call, site, args, (uintptr_t)frame,
                                     (uintptr_t)(base + STACK_AT)))
        return PASS;
    return site->spec.variadic ? variadic_bytes(base + STACK_AT) : site->stack_bytes;
}

uint64_t otel_stub_leave(struct frame *frame)
{
    enum otel_function_kind kind = site_of(frame)->spec.result.type.kind;
    uint64_t widened = frame->rax;
    const void *result = &widened;

    switch (kind) {
    case OTEL_FUNCTION_BOOL:
    case OTEL_FUNCTION_UINT8:
        widened = (uint8_t)widened;
        break;
    case OTEL_FUNCTION_INT8:
        widened = (uint64_t)(int8_t)widened;
        break;
    case OTEL_FUNCTION_UINT16:
        widened = (uint16_t)widened;
        break;
    case OTEL_FUNCTION_INT16:
        widened = (uint64_t)(int16_t)widened;
        break;
    case OTEL_FUNCTION_UINT32:
        widened = (uint32_t)widened;
        break;
    case OTEL_FUNCTION_INT32:
        widened = (uint64_t)(int32_t)widened;
        break;
    case OTEL_FUNCTION_FLOAT:
    case OTEL_FUNCTION_DOUBLE:
        result = frame->vector[0];
        break;
    case OTEL_FUNCTION_LONG_DOUBLE:
        result = frame->x87;
        break;
    default:
        break;
    }
    otel_function_events->leave(&frame->call, result);
    return 0;
}

/* Itanium C++ ABI, exception handling 1.6: asked of each frame that is searched and left. */
int otel_stub_personality(int version, int actions, uint64_t class, void *exception, void *context)
{
    enum { CLEANUP_PHASE = 2, FORCED = 8, CONTINUE = 8 };

    (void)version;
    (void)class;
    (void)exception;
    (void)context;
    if (actions & CLEANUP_PHASE)
        otel_function_events->unwind(actions & FORCED);
    return CONTINUE;
}

#define VECTORS_DO(TEXT) ".irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t" TEXT "\n\t.endr\n\t"
/* At rsp; and back, by rbp, FRAME bytes above. */
#define SAVE                                                                \
    VECTORS_DO("movups %xmm\\i, 16*\\i(%rsp)")                              \
    "mov %rax, 256(%rsp)\n\tmov %rcx, 264(%rsp)\n\tmov %rdx, 272(%rsp)\n\t" \
    "mov %rsi, 280(%rsp)\n\tmov %rdi, 288(%rsp)\n\tmov %r8, 296(%rsp)\n\t"  \
    "mov %r9, 304(%rsp)\n\tmov %r10, 312(%rsp)\n\tmov %r11, 320(%rsp)\n\t"
#define LOAD                                                                            \
    VECTORS_DO("movups 16*\\i-504(%rbp), %xmm\\i")                                      \
    "mov 256-504(%rbp), %rax\n\tmov 264-504(%rbp), %rcx\n\tmov 272-504(%rbp), %rdx\n\t" \
    "mov 280-504(%rbp), %rsi\n\tmov 288-504(%rbp), %rdi\n\tmov 296-504(%rbp), %r8\n\t"  \
    "mov 304-504(%rbp), %r9\n\tmov 312-504(%rbp), %r10\n\tmov 320-504(%rbp), %r11\n\t"

/* Reached by a jump, with the site pushed above the caller's return address. The pass-through is a
 * jump as well: it leaves no frame behind. A result on the x87 stack is copied and stays there. */
__attribute__((naked)) void otel_stub_entry(void)
{
    __asm__(".cfi_personality 0x1b, otel_stub_personality\n\t"
            ".cfi_def_cfa_offset 16\n\t"
            "push %rbp\n\t.cfi_def_cfa_offset 24\n\t.cfi_offset %rbp, -24\n\t"
            "mov %rsp, %rbp\n\t.cfi_def_cfa_register %rbp\n\t"
            "lea -504(%rsp), %rsp\n\t" SAVE
            "mov %rsp, %rdi\n\tand $-16, %rsp\n\tcall otel_stub_enter\n\t"
            "lea -504(%rbp), %rsp\n\t"
            "mov %rax, %rcx\n\ttest %rcx, %rcx\n\tjs 1f\n\tjz 2f\n\t"
            "sub %rcx, %rsp\n\tlea 24(%rbp), %rsi\n\tmov %rsp, %rdi\n\tshr $3, %rcx\n\t"
            "rep movsq\n"
            "2:\n\t" LOAD "call *328-504(%rbp)\n\t"
            "lea -504(%rbp), %rsp\n\t" SAVE "mov 8(%rbp), %rdi\n\ttestb $1, (%rdi)\n\tjz 3f\n\t"
            "fstpt 336(%rsp)\n\tfldt 336(%rsp)\n"
            "3:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall otel_stub_leave\n\t" LOAD
            "mov %rbp, %rsp\n\tpop %rbp\n\t.cfi_remember_state\n\t.cfi_def_cfa %rsp, 16\n\t"
            "lea 8(%rsp), %rsp\n\t.cfi_def_cfa_offset 8\n\tret\n"
            "1:\n\t.cfi_restore_state\n\tmov 328(%rsp), %rax\n\tmov %rax, 8(%rbp)\n\t" LOAD
            "mov %rbp, %rsp\n\tpop %rbp\n\t.cfi_def_cfa %rsp, 16\n\tret");
}

/* --- where arguments lie ------------------------------------------------------------------------
 */

/* Registers and stack that are taken. */
struct taken {
    unsigned integers, vectors, stack;
};

static uint16_t integer_place(unsigned i)
{
    static const uint16_t places[INTEGERS] = {
        offsetof(struct frame, rdi), offsetof(struct frame, rsi), offsetof(struct frame, rdx),
        offsetof(struct frame, rcx), offsetof(struct frame, r8),  offsetof(struct frame, r9)};

    return places[i];
}

static uint16_t on_stack(struct taken *t, unsigned size, unsigned alignment)
{
    unsigned at = (t->stack + alignment - 1) & ~(alignment - 1);

    t->stack = at + ((size + 7) & ~7u);
    return (uint16_t)(STACK_AT + at);
}

/* Size and alignment; integers: the eightbytes that hold an integer, by bit. */
static unsigned struct_size(const struct otel_function_spec *spec,
                            const struct otel_function_type *type, unsigned *alignment,
                            unsigned *integers)
{
    unsigned size = 0;

    *alignment = 1;
    *integers = 0;
    for (unsigned i = 0; i < type->fields; i++) {
        enum otel_function_kind kind = spec->fields[type->first + i];
        unsigned bytes = (unsigned)otel_function_kind_size(kind);

        size = (size + bytes - 1) & ~(bytes - 1);
        if (!otel_function_kind_real(kind) && size < IN_MEMORY)
            *integers |= 1u << size / 8;
        size += bytes;
        if (bytes > *alignment)
            *alignment = bytes;
    }
    return (size + *alignment - 1) & ~(*alignment - 1);
}

/* A struct is never recorded; it only moves the others on. */
static void place_struct(struct taken *t, const struct otel_function_spec *spec,
                         const struct otel_function_type *type)
{
    unsigned alignment, integers, size = struct_size(spec, type, &alignment, &integers);
    unsigned words = (size + 7) / 8;
    unsigned in_integers = (unsigned)__builtin_popcount(integers);

    if (size > IN_MEMORY || alignment > 8 || t->integers + in_integers > INTEGERS ||
        t->vectors + words - in_integers > VECTORS) {
        on_stack(t, size, alignment > 8 ? alignment : 8);
        return;
    }
    t->integers += in_integers;
    t->vectors += words - in_integers;
}

static uint16_t place_scalar(struct taken *t, enum otel_function_kind kind)
{
    if (kind == OTEL_FUNCTION_LONG_DOUBLE)
        return on_stack(t, 16, 16);
    if (otel_function_kind_real(kind)) {
        if (t->vectors < VECTORS)
            return (uint16_t)(offsetof(struct frame, vector) + 16 * t->vectors++);
    } else if (t->integers < INTEGERS) {
        return integer_place(t->integers++);
    }
    return on_stack(t, 8, 8);
}

/* A struct that is returned in memory takes the first integer register for its address. */
static bool returned_in_memory(const struct otel_function_spec *spec)
{
    const struct otel_function_type *type = &spec->result.type;
    unsigned alignment, integers, size;

    if (type->kind != OTEL_FUNCTION_STRUCT)
        return false;
    size = struct_size(spec, type, &alignment, &integers);
    return size > IN_MEMORY || (alignment > 8 && type->fields > 1);
}

void otel_stub_places(struct otel_function_site *site)
{
    const struct otel_function_spec *spec = &site->spec;
    struct taken t = {.integers = returned_in_memory(spec)};

    for (unsigned i = 0; i < spec->args_count; i++) {
        if (spec->args[i].type.kind == OTEL_FUNCTION_STRUCT)
            place_struct(&t, spec, &spec->args[i].type);
        else
            site->places[i] = place_scalar(&t, spec->args[i].type.kind);
    }
    site->stack_bytes = (uint16_t)((t.stack + 15) & ~15u);
    site->returns_x87 = spec->result.type.kind == OTEL_FUNCTION_LONG_DOUBLE;
}

/* push site; jmp otel_stub_entry: both from the words behind. */
size_t otel_stub_write(void *page, const struct otel_function_site *site)
{
    uint8_t code[16] = {0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x35, 6, 0, 0, 0, 0xff, 0x25, 8, 0, 0, 0};
    void (*entry)(void) = otel_stub_entry;

    memcpy(page, code, sizeof code);
    memcpy((char *)page + sizeof code, &site, sizeof site);
    memcpy((char *)page + sizeof code + sizeof site, &entry, sizeof entry);
    return sizeof code + sizeof site + sizeof entry;
}
