// SPDX-License-Identifier: Apache-2.0
/* An example of the API in C++: scopes are objects, and an exception marks its span. */
#include <iostream>
#include <stdexcept>
#include <string>

#include "core/otel_auto.h"

static int parse(const std::string &text)
{
    OTEL_AUTO_SPAN_AS(span, "parse");
    otel_auto_set_text_n(&span.span, "text", text.data(), text.size());
    return std::stoi(text); /* may throw: the span ends with status Error */
}

static int sum(const std::string &a, const std::string &b)
{
    OTEL_AUTO_SPAN("sum");
    try {
        return parse(a) + parse(b);
    } catch (const std::invalid_argument &) {
        OTEL_AUTO_SPAN("recover");
        return -1;
    }
}

int main()
{
    std::cout << sum("4", "5") << '\n' << sum("4", "five") << '\n';
    return 0;
}
