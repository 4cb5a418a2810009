#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tar with its compressors as children, cpio's way of names from a pipe, find and xargs, rsync-like
# copies.
# needs: tar gzip xz
# quick
. "$HARM/lib.sh"
mkdir -p tree/a/b/c
for i in $(seq 1 200); do echo "file $i" >"tree/a/b/$i"; done
ln -s b/1 tree/a/link
ln tree/a/b/2 tree/a/hard
chmod 4755 tree/a/b/3
truncate -s 1M tree/sparse
touch -d @1000000000 tree tree/* tree/*/* tree/*/*/*
touch -hd @1000000000 tree/a/link
options=(--sort=name --owner=0 --group=0 --numeric-owner)
for kind in --gzip --xz --bzip2; do
    tar "${options[@]}" "$kind" -cf "tree.tar$kind" tree && sha256sum "tree.tar$kind"
    mkdir out && tar -C out -xf "tree.tar$kind" && diff -r tree out/tree && rm -r out
done
tar -cf - -S tree | tar -tvf - | sort | sha256sum
find tree/a -type f -print0 | sort -z | xargs -0 -n 20 -P 3 cat | sort | sha256sum
tar -cf - tree | gzip -c | gunzip -c | tar -xOf - tree/a/b/7
tar -xf no-such-file
echo "status $?"
cp -a tree copy && diff -r tree copy
rm -r copy
touch -d @1000000000 ./*
