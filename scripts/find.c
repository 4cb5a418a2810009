/* SPDX-License-Identifier: Apache-2.0 */
#include "scripts/find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool find_library(const char *name, char out[static PATH_MAX])
{
    static const char *const places[] = {"%s/%s", "%s/../build/%s", "%s/../lib/%s"};
    char self[PATH_MAX];
    char tried[PATH_MAX + 64];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    self[n > 0 ? n : 0] = '\0';
    if (n > 0)
        *strrchr(self, '/') = '\0';
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(tried, sizeof tried, places[i], self, name);
        if (access(tried, R_OK) == 0 && realpath(tried, out))
            return true;
    }
    snprintf(tried, sizeof tried, "%s/%s", OTEL_LIBDIR, name);
    return access(tried, R_OK) == 0 && realpath(tried, out);
}
