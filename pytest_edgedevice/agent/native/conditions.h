/* What state the device is in: static facts, and conditions that move latency. A key that is absent was not told. */
#ifndef EDGEDEVICE_CONDITIONS_H
#define EDGEDEVICE_CONDITIONS_H

#include "text.h"

/* Each puts one JSON object. */
void put_facts(Text *text);
void put_conditions(Text *text);

/* Processors that this process may use. */
long core_count(void);

/* Whether an emulator runs this program, so that no time taken here means anything for the real device. */
bool is_emulated(void);

#endif
