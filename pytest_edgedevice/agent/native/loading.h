/* The request "load" and its reply. */
#ifndef EDGEDEVICE_LOADING_H
#define EDGEDEVICE_LOADING_H

#include "session.h"

bool load_model(Session *session, const Frame *frame, const char *path, Reply *reply, Fault *fault);

#endif
