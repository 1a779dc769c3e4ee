#!/usr/bin/env bash
# Runs a command in a real SLURM on this machine: one node with four (counted) cores, two fake GPUs
# and the partitions cpu and gpu.
#
#     tests/cluster/slurm.sh COMMAND…
#
# Needs root, and Debian's packages, which it installs. All else is in a temporary folder, to which
# links in /etc/slurm lead, and ends with the command. Exit code 77, with the reason on stderr: there
# can be no SLURM here.
set -euo pipefail

refuse() {
    echo "no SLURM here: $1" >&2
    exit 77
}

[[ $(id -u) == 0 ]] || refuse "root is needed"
[[ ! -e /etc/slurm/slurm.conf ]] || refuse "the machine has one of its own"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
log=$folder/log
if ! dpkg --status slurm-wlm munge &>"$log"; then
    command -v apt-get >/dev/null || refuse "apt-get is needed"
    [[ ! -d /run/systemd/system ]] || refuse "systemd would start the services of the packages slurm-wlm and munge; install and stop them first"
    install=(apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=60)
    { apt-get update && DEBIAN_FRONTEND=noninteractive "${install[@]}" slurm-wlm munge; } &>"$log" ||
        refuse "the packages slurm-wlm and munge cannot be installed: $(tail -n 1 "$log")"
fi

host=$(hostname -s)
port=$((20000 + RANDOM % 10000))
for number in 0 1; do
    mknod "$folder/gpu$number" c 1 3 2>"$log" || refuse "$(cat "$log")"
done
echo "NodeName=$host Name=gpu File=$folder/gpu[0-1]" >"$folder/gres.conf"
cat >"$folder/slurm.conf" <<CONF
# cred_expire: so many seconds a job must wait that goes back into the queue.
ClusterName=local
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=10
CredType=cred/munge
MpiDefault=none
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SchedulerParameters=sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
KillWait=5
SlurmdTimeout=10
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 RealMemory=8000 Gres=gpu:2
PartitionName=cpu Nodes=$host Default=YES
PartitionName=gpu Nodes=$host
CONF
mkdir "$folder/state" "$folder/spool"

daemons=()
start() {
    # Not even a killed script leaves a daemon behind.
    setpriv --pdeathsig TERM "$@" &>>"$log" &
    daemons+=($!)
}
stop() {
    timeout 10 scancel --user root || true
    for _ in {1..40}; do
        [[ -n $(timeout 10 squeue --noheader 2>/dev/null) ]] || break
        sleep 0.25
    done
    kill "${daemons[@]}" || true
    wait "${daemons[@]}" || true
    rm -rf "$folder" /etc/slurm/{slurm,gres}.conf
} 2>/dev/null
trap stop EXIT

# Not SLURM_CONF: jobs of snakemake do not pass it on.
mkdir -p /etc/slurm
ln -sf "$folder"/{slurm,gres}.conf /etc/slurm/
head --bytes 128 /dev/urandom >"$folder/munge.key"
chmod 400 "$folder/munge.key"
# --force: keys and sockets may lie in a temporary folder.
start munged --foreground --force --key-file "$folder/munge.key" --socket "$folder/munge.socket" \
    --pid-file "$folder/munge.pid" --seed-file "$folder/munge.seed" --log-file "$folder/munge.log"
for _ in {1..40}; do
    [[ ! -S $folder/munge.socket ]] || break
    sleep 0.25
done
start slurmctld -D
start slurmd -D
for _ in {1..80}; do
    [[ $(sinfo --noheader --format %T --partition gpu 2>/dev/null) != idle ]] || break
    sleep 0.25
done
if [[ $(sinfo --noheader --format %T --partition gpu 2>&1) != idle ]]; then
    tail -n 5 "$log" "$folder"/*.log >&2
    refuse "it does not start, see above"
fi
"$@"
