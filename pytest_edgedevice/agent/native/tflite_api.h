/* The TensorFlow Lite C library: its functions, and the parts of its ABI that we rely on.
 *
 * Declared from the public c_api.h and common.h (Apache-2.0). What is here has not moved between 2.5 and 2.21.
 */
#ifndef EDGEDEVICE_TFLITE_API_H
#define EDGEDEVICE_TFLITE_API_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int size;
    int data[];
} TfLiteIntArray;

typedef struct TfLiteContext TfLiteContext;
typedef struct TfLiteDelegate TfLiteDelegate;
typedef struct TfLiteModel TfLiteModel;
typedef struct TfLiteOptions TfLiteOptions;
typedef struct TfLiteInterpreter TfLiteInterpreter;
typedef struct TfLiteTensor TfLiteTensor;

typedef struct {
    TfLiteIntArray *inputs, *outputs, *intermediates, *temporaries;
    void *user_data, *builtin_data;
    const void *custom_initial_data;
    int custom_initial_data_size;
    TfLiteDelegate *delegate; /* NULL, or whose node this is */
} TfLiteNode;

struct TfLiteContext {
    size_t tensors_size;
    int (*get_execution_plan)(TfLiteContext *, TfLiteIntArray **);
    void *tensors, *impl, *resize_tensor, *report_error, *add_tensors;
    int (*get_node_and_registration)(TfLiteContext *, int, TfLiteNode **, void **);
};

struct TfLiteDelegate {
    void *data;
    int (*prepare)(TfLiteContext *, TfLiteDelegate *);
    void *copy_from, *copy_to, *free_handle;
    int64_t flags;
    void *opaque_builder;
    void *reserved[4]; /* what later versions may add */
};
enum { ALLOW_DYNAMIC_TENSORS = 1 };

typedef struct {
    const char *(*version)(void);
    TfLiteModel *(*model_create)(const char *path);
    TfLiteModel *(*model_create_reporting)(const char *path, void (*report)(void *, const char *, va_list), void *);
    void (*model_delete)(TfLiteModel *);
    TfLiteOptions *(*options_create)(void);
    void (*options_delete)(TfLiteOptions *);
    void (*options_threads)(TfLiteOptions *, int32_t);
    void (*options_add)(TfLiteOptions *, TfLiteDelegate *);
    void (*options_reporter)(TfLiteOptions *, void (*report)(void *, const char *, va_list), void *);
    TfLiteInterpreter *(*create)(const TfLiteModel *, const TfLiteOptions *);
    void (*destroy)(TfLiteInterpreter *);
    int32_t (*input_count)(const TfLiteInterpreter *);
    TfLiteTensor *(*input)(const TfLiteInterpreter *, int32_t);
    int (*resize)(TfLiteInterpreter *, int32_t, const int *, int32_t);
    int (*allocate)(TfLiteInterpreter *);
    int (*invoke)(TfLiteInterpreter *);
    int (*reset_variables)(TfLiteInterpreter *);
    int32_t (*output_count)(const TfLiteInterpreter *);
    const TfLiteTensor *(*output)(const TfLiteInterpreter *, int32_t);
    int (*tensor_type)(const TfLiteTensor *);
    int32_t (*tensor_rank)(const TfLiteTensor *);
    int32_t (*tensor_size)(const TfLiteTensor *, int32_t);
    size_t (*tensor_bytes)(const TfLiteTensor *);
    void *(*tensor_data)(const TfLiteTensor *);
    int (*tensor_write)(TfLiteTensor *, const void *, size_t);
    TfLiteDelegate *(*xnnpack_create)(const void *options);
    void (*xnnpack_delete)(TfLiteDelegate *);
    const uint32_t *(*xnnpack_options)(TfLiteDelegate *); /* begins with threads and flags */
    int (*xnnpack_flags)(TfLiteDelegate *);
} TfliteApi;

#endif
