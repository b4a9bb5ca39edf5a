/* The graph that the C library hides: read through a delegate of our own that takes no node.
 *
 * The C API tells nothing of nodes and delegates. A delegate is shown the graph, though, and the two functions that
 * list it go on working afterwards: so we add one before all others, keep them, and ask again when the graph is
 * prepared. What the plan says then is what runs.
 */
#ifndef EDGEDEVICE_TFLITE_GRAPH_H
#define EDGEDEVICE_TFLITE_GRAPH_H

#include "engine.h"
#include "tflite_api.h"

typedef struct {
    TfLiteDelegate delegate; /* first, so that a pointer to it is one to this */
    TfLiteContext *context;  /* the main graph's */
    int (*get_plan)(TfLiteContext *, TfLiteIntArray **);
    int (*get_node)(TfLiteContext *, int, TfLiteNode **, void **);
    int nodes; /* before anything was delegated */
} Witness;

void witness_start(Witness *witness);
/* Fill in a placement from the plan as it is now.
 *
 * mine: the delegate that was applied, NULL when none was. wanted: whether one was asked for at all; without one the
 * built-in kernels are what "takes" operators.
 */
bool witness_account(const Witness *witness, const TfLiteDelegate *mine, bool wanted, const Model *model,
                     Placement *placement, Fault *fault);

#endif
