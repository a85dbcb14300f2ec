// Every operation of the seam, with its shapes and rules; the conventions for all of them are in backend.h. To be
// included in the class Backend, where MARGINCORE_OP makes each a pure virtual function, and in each class that
// implements it, where it says `override`: an operation is declared once, and a backend without it does not link.

// ---- memory ---------------------------------------------------------------------------------------------------------

// Contents of a new allocation are undefined; alignment is at least 64 bytes.
virtual Status allocate(void** memory, size_t bytes) MARGINCORE_OP;
virtual void release(void* memory) MARGINCORE_OP;
virtual Status upload(void* device, const void* host, size_t bytes) MARGINCORE_OP;    // host may be reused on return
virtual Status download(void* host, const void* device, size_t bytes) MARGINCORE_OP;  // waits
virtual Status copy(void* to, const void* from, size_t bytes) MARGINCORE_OP;
virtual Status zero(void* memory, size_t bytes) MARGINCORE_OP;
virtual Status synchronize() MARGINCORE_OP;
virtual Status available_memory(size_t* bytes) MARGINCORE_OP;  // that could be allocated now

// Feeding: uploads from host memory that overlap with operations. Two slots take turns: wait, write the host memory,
// feed, begin, operations that read what was fed, end.
virtual Status allocate_host(void** memory, size_t bytes) MARGINCORE_OP;  // page-locked where uploads want that
virtual void release_host(void* memory) MARGINCORE_OP;
virtual Status feed_wait(int32_t slot) MARGINCORE_OP;  // until the slot's uploads have left host memory
virtual Status feed(int32_t slot, void* device, const void* host,
                    size_t bytes) MARGINCORE_OP;        // after the slot's last `end`
virtual Status feed_begin(int32_t slot) MARGINCORE_OP;  // operations queued from here on come after the slot's uploads
virtual Status feed_end(int32_t slot) MARGINCORE_OP;    // operations queued before were the last to read them

// Recording. `body` calls operations only; each must have run once with the same shapes before (that is when plans
// are made). `context` must outlive the program.
virtual Status record(Program** program, Status (*body)(void* context), void* context) MARGINCORE_OP;
virtual Status replay(Program* program) MARGINCORE_OP;
virtual void discard(Program* program) MARGINCORE_OP;

// Queues, for what others put there (comm/): that of the operations, and one beside it. Null where operations are done on
// return; the next two do nothing there.
virtual Status queues(void** own, void** beside) MARGINCORE_OP;
virtual Status fork_queue() MARGINCORE_OP;  // what is put beside from here on begins after all that was queued so far
virtual Status join_queue() MARGINCORE_OP;  // what is queued from here on begins after all that was put beside
virtual Status enter() MARGINCORE_OP;       // makes the device the calling thread's, also another than the Backend's
virtual void watch(Watch watch) MARGINCORE_OP;  // from now on, by every wait for what was queued

// ---- convolution and linear -----------------------------------------------------------------------------------------

// Convolution: x (N, H, W, C), w (K, R, S, C/groups), y (N, P, Q, K), bias (K) or none.
virtual Status conv2d_forward(Tensor y, Tensor x, Tensor w, Tensor bias, Conv2d conv) MARGINCORE_OP;
// dx, and dw with dbias or without, or both: one operation, because a device may compute one beside the other. x may be
// none where dw is, w where dx is. With `adds` it adds to dx, which then is the gradient of x by way of other operations.
// dw is fp32 or, of bf16 x where BackendInfo::bf16_gradients says so, bf16; so it is of linear layers.
virtual Status conv2d_backward(Tensor dx, Tensor dw, Tensor dbias, Tensor dy, Tensor x, Tensor w, Conv2d conv,
                               int32_t adds) MARGINCORE_OP;

// Linear: x (N, I), w (O, I), y (N, O), bias (O) or none. The head's matmuls are these, too.
virtual Status linear_forward(Tensor y, Tensor x, Tensor w, Tensor bias) MARGINCORE_OP;
virtual Status linear_backward_data(Tensor dx, Tensor dy, Tensor w) MARGINCORE_OP;
virtual Status linear_backward_weight(Tensor dw, Tensor dbias, Tensor dy, Tensor x) MARGINCORE_OP;

// ---- layers ---------------------------------------------------------------------------------------------------------

// From fp32 to bf16 (to the nearest, ties to even) or back.
virtual Status convert(Tensor y, Tensor x) MARGINCORE_OP;

// Element-wise; y may be x and dx may be dy. The derivative of ReLU at 0 is 0.
virtual Status relu_forward(Tensor y, Tensor x) MARGINCORE_OP;
virtual Status relu_backward(Tensor dx, Tensor dy, Tensor y) MARGINCORE_OP;
// slope (C) or (1), fp32; y = x where x > 0, else slope * x
virtual Status prelu_forward(Tensor y, Tensor x, Tensor slope) MARGINCORE_OP;
virtual Status prelu_backward(Tensor dx, Tensor dslope, Tensor dy, Tensor x, Tensor slope) MARGINCORE_OP;
virtual Status add(Tensor y, Tensor a, Tensor b) MARGINCORE_OP;
virtual Status scale(Tensor x, float factor) MARGINCORE_OP;  // fp32, in place
// Dropout's mask is drawn again in the backward pass, nothing is stored: element number i takes word i mod 4 of
// philox(seed, Dropout, stream, step * 2^32 + i / 4).
virtual Status dropout_forward(Tensor y, Tensor x, Dropout dropout, const StepBlock* step) MARGINCORE_OP;
virtual Status dropout_backward(Tensor dx, Tensor dy, Dropout dropout, const StepBlock* step) MARGINCORE_OP;

// Batch norm per channel, over all other axes: x (…, C); statistics, gamma and beta (C), fp32.
// Mean and biased variance of x; unbiased_variance (what a running average takes; of a single row 0) or none.
virtual Status batch_norm_stats(Tensor mean, Tensor variance, Tensor unbiased_variance, Tensor x) MARGINCORE_OP;
// The same of a batch that ranks share, from parts (ranks, 2, C): mean and biased variance of each rank's rows, which are those of
// rows_of_rank(batch, rank, ranks), of `pixels` each.
virtual Status batch_norm_merge(Tensor mean, Tensor variance, Tensor unbiased_variance, Tensor parts, int64_t batch,
                                int64_t pixels) MARGINCORE_OP;
// y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, + residual or none, then the ReLU where there is one. y may
// be x or the residual. For training, for inference (with running statistics), and to compute y once more. mask (uint8, a
// byte for each kMaskedChannels channels of a row, so that these are a multiple) or none, and none where the backend has
// no BackendInfo::relu_masks: where the ReLU let pass.
virtual Status batch_norm_apply(Tensor y, Tensor mask, Tensor x, Tensor mean, Tensor variance, Tensor gamma,
                                Tensor beta, Tensor residual, BatchNorm norm) MARGINCORE_OP;
// The gradient goes through the statistics of x, too. A fused ReLU cuts dy off where y is not above 0: y is given as it
// is, or as its mask; where it is none (possible without a residual) it is computed again from x. dresidual or none: dy as the ReLU leaves it. dx may be dy.
// Where ranks share a batch it is called twice. Without dx it writes the sums of the own rows, dgamma and dbeta, and dresidual;
// with norm.all_rows these are read, dgamma and dbeta as the sums of all ranks' rows, and dx alone is written.
virtual Status batch_norm_backward(Tensor dx, Tensor dgamma, Tensor dbeta, Tensor dresidual, Tensor dy, Tensor x,
                                   Tensor y, Tensor mean, Tensor variance, Tensor gamma, Tensor beta,
                                   BatchNorm norm) MARGINCORE_OP;

// Pooling: x (N, H, W, C), y (N, P, Q, C); padding never wins a maximum and does not count in an average. bias (C) or
// none: added to the maximum, before the ReLU.
// position (uint8, shape of y) keeps the place of the first maximum inside its window, row * kernel + column, or
// kNoPosition where a fused ReLU cut it off; kernel <= 15.
virtual Status max_pool_forward(Tensor y, Tensor position, Tensor x, Tensor bias, Pool2d pool) MARGINCORE_OP;
virtual Status max_pool_backward(Tensor dx, Tensor dbias, Tensor dy, Tensor position, Pool2d pool) MARGINCORE_OP;
virtual Status average_pool_forward(Tensor y, Tensor x, Pool2d pool) MARGINCORE_OP;
virtual Status average_pool_backward(Tensor dx, Tensor dy, Pool2d pool) MARGINCORE_OP;
virtual Status global_average_pool_forward(Tensor y, Tensor x) MARGINCORE_OP;  // y (N, C)
virtual Status global_average_pool_backward(Tensor dx, Tensor dy) MARGINCORE_OP;

// Channel ranges of an NHWC tensor: write `part` into, or read it from, `whole` starting at channel `first`.
virtual Status concat_write(Tensor whole, Tensor part, int64_t first) MARGINCORE_OP;
virtual Status concat_read(Tensor part, Tensor whole, int64_t first) MARGINCORE_OP;

// ---- rows and the head ----------------------------------------------------------------------------------------------

// Rows of a matrix x (N, D). A row of zeros has norm 0, a zero result and a zero gradient.
virtual Status row_norms(Tensor norms, Tensor x) MARGINCORE_OP;  // (N), L2
// y_i = scale * x_i / |x_i|; `scale` is one float in device memory. norms (N): of x, for the backward pass; y_norms (N) of
// y, or none. y may be x.
virtual Status l2_scale_forward(Tensor y, Tensor norms, Tensor y_norms, Tensor x, const float* scale) MARGINCORE_OP;
// dscale (1 element) or none.
virtual Status l2_scale_backward(Tensor dx, Tensor dscale, Tensor dy, Tensor x, Tensor norms,
                                 const float* scale) MARGINCORE_OP;
// y_i = scale * x_i / norms_i, whatever these are norms of. y may be x.
virtual Status scale_rows(Tensor y, Tensor x, Tensor norms, const float* scale) MARGINCORE_OP;
// dx_i -= x^_i (x^_i · dx_i): the gradient of what depends on x_i by direction only.
virtual Status remove_radial(Tensor dx, Tensor x, Tensor norms) MARGINCORE_OP;
// y_i += coefficients_i * x_i
virtual Status add_scaled_rows(Tensor y, Tensor x, Tensor coefficients) MARGINCORE_OP;
// y_i = x_rows[i], and the way back, y_rows[i] = x_i; rows (int32): of the larger one, no two alike.
virtual Status gather_rows(Tensor y, Tensor x, Tensor rows) MARGINCORE_OP;
virtual Status scatter_rows(Tensor y, Tensor x, Tensor rows) MARGINCORE_OP;

// The classes that a step compares (base/class_draw.h), counted from draw.first, ascending: drawn (draw.slots()) int32. places (N)
// int32: where each row's label is among them; -1 of labels, which may be none of the classes, that are not. In no block may
// more classes be labels than are drawn of it.
virtual Status draw_classes(Tensor drawn, Tensor places, Tensor labels, ClassDraw draw,
                            const StepBlock* step) MARGINCORE_OP;

// The head (native/heads/ has the formulas): cross-entropy over logits whose target carries a margin. One pass over
// a row for the sums, one that writes the gradient over the logits.
virtual Status margin_softmax(MarginSoftmaxOperands operands, MarginSoftmax head) MARGINCORE_OP;
// The same where classes are sharded among ranks: C are the own ones, and a label that is none of 0…C-1 says that the
// row's class is another rank's. Between these three the ranks put RowParts together. Rows have one label.
virtual Status margin_softmax_sums(RowParts parts, MarginSoftmaxOperands operands, MarginSoftmax head) MARGINCORE_OP;
// sums of exponents, now relative to `largest`.
virtual Status margin_softmax_rebase(RowParts parts) MARGINCORE_OP;
// Loss and counts are of whole rows, the report's norm of the gradient is left to finish_report; gradients are the own
// classes', radial coefficients 0 where the target is another rank's. target_terms are of all rows.
virtual Status margin_softmax_gradients(StepTotals* totals, RowParts parts, MarginSoftmaxOperands operands,
                                        MarginSoftmax head, AllClasses all) MARGINCORE_OP;
// Once totals are those of all ranks: the report's norm of the logits' gradients, and the centre loss beside its loss.
// Sets *halted to 1 if the loss is then not finite.
virtual Status finish_report(StepReport* report, int32_t* halted, const StepTotals* totals,
                             const StepBlock* step) MARGINCORE_OP;
// z_ij = z_ij / (row_norms_i * column_norms_j) * column_scale_j + column_shift_j, in place; each of the four or none.
// Where a norm is 0 the quotient is 0.
virtual Status scale_logits(Tensor z, Tensor row_norms, Tensor column_norms, Tensor column_scale,
                            Tensor column_shift) MARGINCORE_OP;
virtual Status softmax(Tensor probabilities, Tensor logits) MARGINCORE_OP;

// Scaled batch norm of logits. Products p (N, C); logits are p_ij / column_norms_j, or p itself where there are none.
// Mean and biased variance (C) of the logits over the batch.
virtual Status column_stats(Tensor mean, Tensor variance, Tensor p, Tensor column_norms) MARGINCORE_OP;
// The normalisation as margin_softmax and scale_logits take it: logit * class_scale + class_shift.
virtual Status scaled_bn_fold(Tensor class_scale, Tensor class_shift, Tensor mean, Tensor variance,
                              ScaledBn norm) MARGINCORE_OP;
// Adds to dp, as margin_softmax left it, what goes through the statistics; target_terms are margin_softmax's. Labels
// may be none of the columns.
virtual Status scaled_bn_backward(Tensor dp, Tensor p, Tensor labels, Tensor target_terms, Tensor mean, Tensor variance,
                                  Tensor column_norms, ScaledBn norm) MARGINCORE_OP;
// running = (1 - momentum) * running + momentum * factor * current; nothing once *halted is not 0.
virtual Status running_average(Tensor running, Tensor current, float momentum, float factor,
                               const int32_t* halted) MARGINCORE_OP;

// Distance to the own class's centre (center loss, Wen et al. 2016): adds weight/2 * mean |x_i - c_y|^2 to the
// report's loss and writes dx_i = weight/N (x_i - c_y). Sets *halted to 1 if the loss is then not finite. With totals
// the loss is written there, and the report left to finish_report. A row whose label is no centre's adds nothing.
virtual Status center_loss(Tensor dx, StepTotals* totals, StepReport* report, int32_t* halted, Tensor x, Tensor centers,
                           Tensor labels, float weight, const StepBlock* step) MARGINCORE_OP;
// c_j -= rate * sum_{y_i = j} (c_j - x_i) / (1 + n_j), n_j samples of class j; nothing once *halted is not 0. Labels
// may be no centre's.
virtual Status center_update(Tensor centers, Tensor x, Tensor labels, float rate, const int32_t* halted) MARGINCORE_OP;

// ---- batch assembly and update --------------------------------------------------------------------------------------

// Batch assembly: batch (N, H, W, C) and batch_labels (N) int32 from a uint8 dataset. Without order and
// augmentation `step` may be null.
virtual Status gather_images(Tensor batch, Tensor batch_labels, GatherImages gather,
                             const StepBlock* step) MARGINCORE_OP;

// own_i = labels_i - first: labels (N) int32 as they count where classes are sharded, from the first own one.
virtual Status shift_labels(Tensor own, Tensor labels, int32_t first) MARGINCORE_OP;

// Parameter update of all that is trained.
virtual Status sgd(UpdateOperands operands, Sgd options) MARGINCORE_OP;
virtual Status adam(UpdateOperands operands, Adam options) MARGINCORE_OP;
// L2 norm of all gradients into report->gradient_norm; sets *halted to 1 if it is not finite, as it is not where a
// gradient is not. clip_factor (base/gradient_clip.h, 1 element) or none: by what gradients are multiplied, so that
// their norm is at most `largest`. totals or none: with gradient_squares of what is not among these gradients.
virtual Status gradient_norm(StepReport* report, int32_t* halted, float* clip_factor, Gradients gradients,
                             const StepTotals* totals, double largest, const StepBlock* step) MARGINCORE_OP;
virtual Status gradient_squares(StepTotals* totals, Gradients gradients) MARGINCORE_OP;

#undef MARGINCORE_OP
