"""Exact search by NumPy and faiss, call after call, for bench/search.mjs: a line of JSON in, a line of JSON out."""

import json
import sys
import time

import numpy as np

try:
    import faiss
except ImportError:
    faiss = None


def numpy_search(rows, queries, top):
    """The whole matrix of cosines at once would not fit: as many queries together as keep it at half a gigabyte."""
    most = max(1, 2**27 // len(rows))
    numbers, cosines = [], []
    for begin in range(0, len(queries), most):
        products = queries[begin : begin + most] @ rows.T
        found = np.argpartition(products, -top, axis=1)[:, -top:]
        values = np.take_along_axis(products, found, axis=1)
        order = np.argsort(-values, axis=1)
        numbers.append(np.take_along_axis(found, order, axis=1))
        cosines.append(np.take_along_axis(values, order, axis=1))
    return np.concatenate(cosines), np.concatenate(numbers)


def main():
    job = json.loads(sys.argv[1])
    rows = np.fromfile(job["file"], dtype=np.float32).reshape(-1, job["size"])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    if job["contender"] == "numpy":
        version = np.__version__

        def search(queries):
            return numpy_search(rows, queries, job["top"])
    else:
        if faiss is None:
            sys.exit("faiss is not there: pip install faiss-cpu")
        version = faiss.__version__
        faiss.omp_set_num_threads(job["threads"])
        index = faiss.IndexFlatIP(job["size"])
        index.add(rows)
        del rows

        def search(queries):
            return index.search(queries, job["top"])

    print(json.dumps({"version": version}), flush=True)
    for line in sys.stdin:
        queries = np.fromfile(json.loads(line)["queries"], dtype=np.float32).reshape(-1, job["size"])
        started = time.perf_counter()
        queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        _, numbers = search(queries)
        print(json.dumps({"seconds": time.perf_counter() - started, "first": numbers[:, 0].tolist()}), flush=True)


main()
