#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a hundred failing calls return, and the errno they leave.
# quick
. "$HARM/lib.sh"
"$HARM/probe"
exec "$HARM/probe"
