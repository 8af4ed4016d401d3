#!/bin/sh
# Learns tomorrow's temperature from the last days: a stand-in for work that takes hours.
# usage: train.sh [--epochs N]
set -eu
epochs=3
[ "${1:-}" = --epochs ] && epochs=$2

echo "training on $(uname -n), $(wc -l <data/temperatures.txt) days of data"
mkdir -p results
epoch=1
while [ "$epoch" -le "$epochs" ]; do
    awk -v epoch="$epoch" '
        { sum += $2; n += 1; error += ($2 - last) ^ 2; last = $2 }
        END { printf "epoch %d: mean %.2f, error %.3f\n", epoch, sum / n, error / n / epoch }
    ' data/temperatures.txt
    sleep 0.4
    epoch=$((epoch + 1))
done

awk '{ sum += $2; n += 1; last = $2 } END { printf "tomorrow: %.1f degrees\n", (last * 2 + sum / n) / 3 }' \
    data/temperatures.txt >results/forecast.txt
echo "wrote results/forecast.txt"
