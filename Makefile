# SPDX-License-Identifier: Apache-2.0
# make, make test, harm, check, demo, bench, soak, fuzz, install — see README.md.
# V=1 shows the commands; ASAN=1, UBSAN=1, TSAN=1 build the unit tests with that sanitizer.

PREFIX ?= /usr/local
DESTDIR ?=
LIBDIR ?= $(PREFIX)/lib
CFLAGS ?= -O2 -g

VARIANT := $(if $(ASAN),asan)$(if $(UBSAN),ubsan)$(if $(TSAN),tsan)
BUILD ?= build$(if $(VARIANT),/$(VARIANT))
SANITIZE := $(if $(ASAN),-fsanitize=address)$(if $(UBSAN),-fsanitize=undefined \
	-fno-sanitize-recover=all)$(if $(TSAN),-fsanitize=thread)
# What is shipped is optimised as a whole: a span takes a dozen small calls from file to file. The
# objects hold plain code too, for everything else that links them. LTO= goes without.
LTO ?= $(if $(VARIANT)$(findstring clang,$(CC)),,-flto=auto)
Q := $(if $(V),,@)

override CFLAGS += -std=gnu11 -Wall -Wextra -Werror -Wshadow -Wvla -Wmissing-prototypes -fPIC \
	-fvisibility=hidden -ftls-model=initial-exec -fno-strict-aliasing -D_GNU_SOURCE -I. \
	-I$(BUILD)/gen -MMD -MP $(SANITIZE)
OBJECT := $(if $(LTO),$(LTO) -ffat-lto-objects)
# Inlined so deeply, gcc no longer sees that a value is read only where its type has set it.
WHOLE := $(if $(LTO),$(LTO) $(CFLAGS) -Wno-maybe-uninitialized)
override LDFLAGS += $(SANITIZE)
ifneq ($(TSAN),)
override CFLAGS += -Itests/support/plain
endif

CORE := $(patsubst %.c,$(BUILD)/%.o,$(wildcard core/*.c)) $(BUILD)/core/libyaml.o
EXPORT := $(patsubst %.c,$(BUILD)/%.o,$(wildcard core/export/*.c)) $(BUILD)/gen/otlp.pb-c.o
AUTO := $(patsubst %.c,$(BUILD)/%.o,$(wildcard preload/*.c hooks/*.c))
FUNCTIONS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard preload/functions/*.c))
TOOL := $(patsubst %.c,$(BUILD)/%.o,$(wildcard scripts/*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
# Criterion does not start under the thread sanitizer; the same tests run under a runner of our own.
UNIT := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/unit/*.c) \
	$(if $(TSAN),tests/support/plain/runner.c))
LIBS_UNIT := $(if $(TSAN),,-lcriterion) -lhttp_parser
PROGRAMS := $(patsubst tests/%.c,$(BUILD)/%,$(wildcard tests/programs/*.c))
BENCHES := $(patsubst tests/%.c,$(BUILD)/%,$(wildcard tests/bench/*.c))
LIBS_EXPORT := -l:libprotobuf-c.a -lcurl -l:libz.a
HARDEN := -Wl,-z,defs -Wl,-z,now -Wl,-z,nodelete -Wl,-z,relro -Wl,--exclude-libs,ALL

.PHONY: all test harm unit programs check demo bench soak fuzz install uninstall deps clean
all: $(BUILD)/libotel_auto.so $(BUILD)/libotel_export.so $(BUILD)/libotel_functions.so \
	$(BUILD)/otel-auto

$(BUILD)/%.o: %.c | $(BUILD)/gen/otlp.pb-c.h
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC    $<")
	$(Q)$(CC) $(CFLAGS) $(OBJECT) -c -o $@ $<

$(BUILD)/gen/otlp.pb-c.h $(BUILD)/gen/otlp.pb-c.c &: core/otlp.proto
	@mkdir -p $(BUILD)/gen
	$(Q)protoc-c --proto_path=core --c_out=$(BUILD)/gen core/otlp.proto

$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	$(Q)$(CC) $(CFLAGS) -Wno-error -c -o $@ $<

# libyaml's parser, which takes its memory from us (core/yaml_memory.h).
$(BUILD)/core/libyaml.o:
	@mkdir -p $(@D)
	$(Q)$(LD) -r -u yaml_parser_parse -o $@ $$($(CC) -print-file-name=libyaml.a)
	$(Q)objcopy --redefine-sym malloc=otel_yaml_malloc --redefine-sym free=otel_yaml_release \
		--redefine-sym realloc=otel_yaml_realloc --redefine-sym strdup=otel_yaml_strdup \
		--redefine-sym __assert_fail=otel_yaml_assert $@

$(BUILD)/libotel_core.a: $(CORE)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/libotel_auto.so: $(AUTO) $(BUILD)/libotel_core.a preload/exports.map
	$(if $(V),,@echo "  LD    $@")
	$(Q)$(CC) -shared $(WHOLE) -o $@ $(AUTO) $(BUILD)/libotel_core.a $(LDFLAGS) $(HARDEN) \
		-Wl,--version-script=preload/exports.map -Wl,-soname,libotel_auto.so

$(BUILD)/libotel_export.so: $(EXPORT) $(BUILD)/libotel_core.a core/export/exports.map
	$(if $(V),,@echo "  LD    $@")
	$(Q)$(CC) -shared $(WHOLE) -o $@ $(EXPORT) $(BUILD)/libotel_core.a $(LDFLAGS) $(HARDEN) \
		-Wl,--version-script=core/export/exports.map $(LIBS_EXPORT)

$(BUILD)/libotel_functions.so: $(FUNCTIONS) preload/functions/exports.map
	$(if $(V),,@echo "  LD    $@")
	$(Q)$(CC) -shared $(WHOLE) -o $@ $(FUNCTIONS) $(LDFLAGS) $(HARDEN) \
		-Wl,--version-script=preload/functions/exports.map -l:libffi.a

$(BUILD)/otel-auto: $(TOOL) $(BUILD)/libotel_core.a
	$(if $(V),,@echo "  LD    $@")
	$(Q)$(CC) -o $@ $^ $(LDFLAGS)

# The unit tests are one Criterion program over core and the exporter module's objects, but for
# those that stand in for libc.
LIBC_LIKE := %/module.o %/malloc.o %/descriptors.o %/environment.o
$(BUILD)/unit: $(UNIT) $(filter-out $(LIBC_LIKE),$(EXPORT)) $(BUILD)/libotel_core.a
	$(if $(V),,@echo "  LD    $@")
	$(Q)$(CC) -o $@ $^ $(LDFLAGS) $(LIBS_UNIT) $(LIBS_EXPORT) -lpthread

$(BUILD)/scripts/otel-auto.o $(BUILD)/scripts/find.o: CFLAGS += -DOTEL_LIBDIR='"$(LIBDIR)"'

# What hook and e2e tests drive; a program names its libraries in a line "// LIBS: -lcurl".
$(BUILD)/programs/%: tests/programs/%.c
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC    $<")
	$(Q)$(CC) -std=gnu11 -O1 -g -Wall -Wextra -Werror -D_GNU_SOURCE -I. -MMD -MP -o $@ $< \
		$$(sed -n 's,^// LIBS:,,p' $<) -ldl -lpthread

# The service that `make demo` traces; there is nothing of ours in it.
$(BUILD)/apps/docsvc: $(wildcard tests/apps/docsvc/*.[ch])
	@mkdir -p $(@D)
	$(Q)$(CC) -O2 -g -Wall -Werror -D_GNU_SOURCE -I. -o $@ $(filter %.c,$^) -lcurl -lsqlite3

# Benchmarks and soaks link core alone; those to be traced are marked "// PROGRAM": nothing of ours.
WITH_CORE = @mkdir -p $(@D) && $(CC) $(filter-out -fvisibility=hidden,$(CFLAGS) $(WHOLE)) -o $@ $< \
	$$(grep -q '^// PROGRAM' $< || echo $(BUILD)/libotel_core.a) $$(sed -n 's,^// LIBS:,,p' $<) \
	-lpthread
$(BUILD)/bench/%: tests/bench/%.c $(BUILD)/libotel_core.a
	$(WITH_CORE)
$(BUILD)/soak/%: tests/soak/%.c $(BUILD)/libotel_core.a
	$(WITH_CORE)

programs: $(PROGRAMS) $(BUILD)/apps/docsvc

unit: $(BUILD)/unit
	$(BUILD)/unit $(UNITFLAGS)

check: all
	scripts/check-style
	scripts/check-layers
	scripts/check-symbols $(BUILD)

test:
	scripts/install-deps --test
	$(MAKE) -s all programs
	scripts/run-tests

# Programs natively and under the shim, compared: a line each and a score. HARM='CASE …' for some.
harm:
	scripts/install-deps --harm
	$(MAKE) -s all programs
	tests/harm/run $(HARM)

demo:
	scripts/install-deps --demo
	$(MAKE) -s all $(BUILD)/apps/docsvc
	scripts/demo

bench:
	scripts/install-deps --build
	$(MAKE) -s all $(BUILD)/programs/sink $(BENCHES)
	scripts/bench $(BUILD)

# Everything at once for SOAK_SECONDS, under the shim and, core alone, under the thread sanitizer.
SOAK_SECONDS ?= 600
soak:
	scripts/install-deps --build
	$(MAKE) -s all $(BUILD)/programs/sink $(BUILD)/soak/host
	$(MAKE) -s TSAN=1 build/tsan/soak/engine
	tests/soak/run $(SOAK_SECONDS)

# One program for each tests/fuzz/fuzz_*.c; a crash fails the target. FUZZ_SECONDS=n for each.
FUZZ_CC := clang -std=gnu11 -O1 -g -D_GNU_SOURCE -I. -I$(BUILD)/gen -MMD -MP \
	-fsanitize=address,undefined -fno-sanitize-recover=all
FUZZED := $(filter-out %/module.o %/malloc.o,$(patsubst %.c,build/fuzz/%.o,$(wildcard core/*.c \
	core/export/*.c)) build/fuzz/gen/otlp.pb-c.o) $(BUILD)/core/libyaml.o

build/fuzz/gen/%.o: $(BUILD)/gen/%.c
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer-no-link -c -o $@ $<

build/fuzz/core/%.o: core/%.c | $(BUILD)/gen/otlp.pb-c.h
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer-no-link -c -o $@ $<

build/fuzz/core.a: $(FUZZED)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

build/fuzz/%: tests/fuzz/%.c build/fuzz/core.a
	$(if $(V),,@echo "  LD    $@")
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer -o $@ $< build/fuzz/core.a $(LIBS_EXPORT) -lpthread \
		$$(sed -n 's,^// LIBS:,,p' $<)

fuzz: $(FUZZERS)
	tests/fuzz/run $(FUZZERS)

install: all
	install -d $(DESTDIR)$(LIBDIR) $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include
	install -m 755 $(BUILD)/libotel_auto.so $(BUILD)/libotel_export.so \
		$(BUILD)/libotel_functions.so $(DESTDIR)$(LIBDIR)
	install -m 755 $(BUILD)/otel-auto $(DESTDIR)$(PREFIX)/bin
	install -m 644 core/otel_auto.h $(DESTDIR)$(PREFIX)/include

uninstall:
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,libotel_auto.so libotel_export.so libotel_functions.so)
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,bin/otel-auto include/otel_auto.h)

clean:
	rm -rf build

-include $(FUZZED:.o=.d) $(FUZZERS:=.d) $(TOOL:.o=.d) $(CORE:.o=.d) $(EXPORT:.o=.d) $(AUTO:.o=.d) \
	$(FUNCTIONS:.o=.d) $(UNIT:.o=.d) $(PROGRAMS:=.d) $(BENCHES:=.d) $(wildcard $(BUILD)/soak/*.d)
