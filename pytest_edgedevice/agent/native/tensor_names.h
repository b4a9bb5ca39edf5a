/* Names of inputs and outputs: the signature's, else the tensor's own, else its position; told apart where equal. */
#ifndef EDGEDEVICE_TENSOR_NAMES_H
#define EDGEDEVICE_TENSOR_NAMES_H

#include "flat.h"
#include "model.h"

/* The first signature of the main graph whose outputs are outputs of that graph; 0 without one. */
size_t find_signature(Flat *flat, size_t root, size_t outputs, int *index);
/* Give the last of `specs`, which is the given tensor, its name. */
bool name_tensor(Flat *flat, size_t tensor, size_t signature, bool output, Specs *specs, Fault *fault);

#endif
