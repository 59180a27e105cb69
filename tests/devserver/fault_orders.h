/*
 * The list of faults that tests have ordered: parsing of orders, matching, counting.
 */
#pragma once

#include <stdbool.h>

/* Changes whenever all faults are cleared; stalled requests watch it. */
unsigned fault_orders_generation(void);
/* Set at the end of the server: nobody waits any more. */
void fault_orders_stop(void);
bool fault_orders_stopped(void);
