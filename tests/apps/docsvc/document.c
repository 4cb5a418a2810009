/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/apps/docsvc/docsvc.h"

#include <stdlib.h>

int process_document(const char *text, size_t length)
{
    struct entities *entities = extract_entities(text, length);
    int stored;

    if (!entities)
        return -1;
    stored = save_entities(entities);
    create_embeddings(entities);
    free(entities);
    return stored;
}
