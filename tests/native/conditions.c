/* What the agent tells of the device's state, as it goes over the wire. */
#include <stdio.h>

#include "conditions.h"

int main(void) {
    Text text = {0};
    put_conditions(&text);
    fwrite(text.data, 1, text.length, stdout);
    text_free(&text);
    return 0;
}
