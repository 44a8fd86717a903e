"""What flanneld, kube-proxy, kubelet and the routes of a host say about its cluster, read from text and values. No I/O."""
