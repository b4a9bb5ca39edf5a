/* The requests that watch a model at work: "resources", "stream" and "profile". */
#ifndef EDGEDEVICE_WATCHING_H
#define EDGEDEVICE_WATCHING_H

#include "running.h"

/* A model is about to be loaded: remember what is resident without it, and start the peak there. */
void memory_begin(Memory *memory);

bool watch_resources(Loaded *loaded, const Frame *frame, Reply *reply, Fault *fault);
bool feed_frames(Loaded *loaded, const Frame *frame, Reply *reply, Fault *fault);
bool take_profile(Loaded *loaded, const Frame *frame, Reply *reply, Fault *fault);

#endif
