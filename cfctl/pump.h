/* Bytes between a descriptor that cannot be passed to the daemon (a terminal, a device, stdout, whose
 * position and whose reader's patience are ours) and a pipe that can: a child process carries them. */
#pragma once
#include "cfctl/ctl.h"

struct pump {
	pid_t pid; /* 0: none */
};

/* *ret_fd is the end for the daemon. An exit code. */
int pump_from(struct ctl *ctl, int from, struct pump *ret_pump, int *ret_fd);
int pump_to(struct ctl *ctl, int to, struct pump *ret_pump, int *ret_fd);
/* Of pump_to, once the daemon has written all: waits until the rest is through. EXIT_OK or the code of an
 * error, already said. What only the reader's end broke (| head) ends this program as it would end any other.
 */
int pump_wait(struct ctl *ctl, struct pump *pump);
void pump_kill(struct pump *pump);
