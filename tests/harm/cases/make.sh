#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make with a jobserver, recursion, parallel compilation by gcc, a library, tests of what was built.
# needs: make gcc
# quick
# limit: 120
# gcc and make name their scratch files at random.
# filter: /tmp/cc[A-Za-z0-9]{6} => /tmp/cc
. "$HARM/lib.sh"
mkdir sub
for i in 1 2 3 4 5 6; do
    echo "int f$i(int n) { return n * $i; }" >"sub/f$i.c"
done
cat >sub/main.c <<'END'
#include <stdio.h>
int f1(int), f2(int), f3(int), f4(int), f5(int), f6(int);
int main(void) { printf("%d\n", f1(1) + f2(1) + f3(1) + f4(1) + f5(1) + f6(1)); return 0; }
END
cat >sub/Makefile <<'END'
OBJECTS := $(patsubst %.c,%.o,$(sort $(wildcard f*.c)))
all: program witness
program: main.o libf.a
	@gcc -o $@ $^
libf.a: $(OBJECTS)
	@ar rcsD $@ $(OBJECTS)
%.o: %.c
	@gcc -Wall -O1 -c -o $@ $<
witness:
	@$(HARM)/witness below-make 4<&- 3<&- </dev/null | grep -v '^env MAKE'
END
cat >Makefile <<'END'
all: ; @+$(MAKE) --no-print-directory -C sub
bad: ; @false
END
make -j4 all
sub/program
make -s all
make -k bad
echo "status $?"
echo 'int main(void) { return x; }' >wrong.c
gcc wrong.c
echo "status $?"
gcc -O2 -flto -fsanitize=undefined -o whole sub/main.c sub/f?.c && ./whole
echo '#include <iostream>' >a.cc && echo 'int main() { std::cout << "c++\n"; }' >>a.cc
g++ -pipe -save-temps -o a a.cc && ./a
rm -f ./*.ii ./*.s ./*.o
