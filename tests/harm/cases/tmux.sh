#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tmux: a server that is a daemon, windows with shells, what is typed and shown, the end.
# And terminals by script.
# needs: tmux script
# spans: 2
. "$HARM/lib.sh"
export TERM=xterm PS1='$ ' TMUX_TMPDIR=$PWD
tmux -f /dev/null new-session -d -n first -x 120 -y 50 -s one "$HARM/witness in-tmux >facts; cat"
until_true grep -c 'threads' facts
until_true test -s facts
until_true sh -c '[ $(grep -c ^threads facts) = 2 ]'
grep -v '^env TMUX\|^env TERM_PROGRAM' facts
tmux new-window -t one -n two "sh -c 'echo typed in a shell; read line; echo got \$line; cat'"
until_true sh -c 'tmux capture-pane -p -t one:two | grep typed'
tmux send-keys -t one:two hello Enter
until_true sh -c 'tmux capture-pane -p -t one:two | grep got'
tmux capture-pane -p -t one:two | head -n 3
tmux list-windows -t one -F '#{window_index} #{window_name} #{pane_dead}'
tmux run-shell 'exit 3'
echo "status $?"
tmux show-environment -g | grep -c PATH
pid=$(tmux display-message -p '#{pid}')
facts "$pid" | grep -v '^fd'
tmux kill-server
until_gone "$pid"
tmux list-windows 2>&1
script -qec 'tty | tr -d 0-9; echo on a terminal; exit 4' /dev/null | tr -d '\r'
echo "status ${PIPESTATUS[0]}"
rm -rf tmux-* facts
