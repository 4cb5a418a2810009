#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sshd and ssh, with keys and a configuration of their own: commands, both directions of a pipe, a
# terminal, a tunnel, scp and sftp, and what a session finds itself with.
# needs: /usr/sbin/sshd ssh ssh-keygen
# spans: 6
# The keys are new each time.
# filter: (ssh-ed25519) \S+ => \1 KEY
# filter: OPENSSH PRIVATE KEY-----\n(.+\n)+ => PRIVATE KEY
# Ports and process ids a session is told of.
# filter: ^env SSH_(CLIENT|CONNECTION|TTY)=.* => env SSH_\1
. "$HARM/lib.sh"
mkdir -p /run/sshd keys
ssh-keygen -q -t ed25519 -N '' -C host -f keys/host
ssh-keygen -q -t ed25519 -N '' -C user -f keys/user
cp keys/user.pub keys/authorized
cat >sshd_config <<END
Port 2222
ListenAddress 127.0.0.1
HostKey $PWD/keys/host
AuthorizedKeysFile $PWD/keys/authorized
PidFile $PWD/pid
StrictModes no
UsePAM no
PermitRootLogin yes
Subsystem sftp internal-sftp
AcceptEnv FROM_CLIENT
END
/usr/sbin/sshd -f sshd_config -E log ${LD_PRELOAD:+-o "SetEnv=LD_PRELOAD=$LD_PRELOAD"}
until_open 2222
facts "$(cat pid)"
cat >config <<END
Host there
    HostName 127.0.0.1
    Port 2222
    User root
    IdentityFile $PWD/keys/user
    UserKnownHostsFile $PWD/known
    StrictHostKeyChecking accept-new
    LogLevel ERROR
    SendEnv FROM_CLIENT
END
export FROM_CLIENT=sent
ssh -F config there 'echo out; echo err >&2; exit 5'
echo "status $?"
seq 1 100000 | ssh -F config there 'sort -rn | md5sum'
ssh -F config there "$HARM/witness" in-a-session
ssh -F config -tt there 'tty | tr -d 0-9; stty -a | grep -c speed' </dev/null 2>&1
ssh -F config there 'kill -9 $$'
echo "status $?"
echo copied >here
scp -q -F config here "there:$PWD/there" && cat there
printf 'rename there yonder\nls -1 yonder\n' | sftp -q -F config -b - "there:$PWD" 2>&1
socat TCP-LISTEN:7001,bind=127.0.0.1,reuseaddr,fork SYSTEM:'echo by the tunnel' &
echo=$!
until_open 7001
ssh -F config -f -N -L 7002:127.0.0.1:7001 -o ExitOnForwardFailure=yes \
    -o ControlMaster=yes -o ControlPath="$PWD/control" there
socat -u TCP:127.0.0.1:7002 -
ssh -F config -o ControlPath="$PWD/control" there 'echo by the master'
ssh -F config -o ControlPath="$PWD/control" -O exit there 2>&1
kill "$echo"
wait "$echo"
ssh -F config -i /no/such/key -o IdentitiesOnly=yes -o IdentityFile=none \
    -o PubkeyAuthentication=no -o BatchMode=yes there true 2>&1
echo "status $?"
pid=$(cat pid)
kill "$pid"
until_gone "$pid"
rm -f log pid
