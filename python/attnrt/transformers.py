# SPDX-License-Identifier: Apache-2.0
"""Hugging Face models through attnrt: register(), then attn_implementation="attnrt"."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, Optional, Tuple

import torch

from attnrt.attention import attention
from attnrt.errors import InvalidError, UnsupportedError


class Intervals(NamedTuple):
    """What a mask of True and False says where every query sees one run of keys that moves with it, or all queries the
    same one: the form that kernels skip keys by."""

    causal: bool
    window: Optional[int]
    kv_starts: torch.Tensor
    kv_lens: torch.Tensor


def intervals_of(mask: torch.Tensor) -> Optional[Intervals]:
    """The intervals of a bool mask [batch, 1, query_len, kv_len], None where it is not of that form. What is found is
    exactly the mask: nothing is assumed of padded queries. Layers share a mask, so that the answer is kept with it."""
    kept = getattr(mask, "_attnrt_intervals", None)
    if kept is None or kept[0] != mask._version:
        kept = (mask._version, _intervals(mask))
        mask._attnrt_intervals = kept
    return kept[1]


def _intervals(mask: torch.Tensor) -> Optional[Intervals]:
    if mask.dtype != torch.bool or mask.dim() != 4 or mask.shape[1] != 1:
        return None
    rows = mask[:, 0]
    _, num_queries, num_keys = rows.shape
    if num_queries == 0 or num_keys == 0:
        return None
    counts = rows.sum(dim=2)
    firsts = rows.to(torch.uint8).argmax(dim=2)
    keys = torch.arange(num_keys)
    ends = firsts + counts
    if not torch.equal((keys >= firsts[..., None]) & (keys < ends[..., None]), rows):
        return None
    # Of the last query, which sees most to the right; a request without any key has none.
    end = torch.where(counts[:, -1] > 0, ends[:, -1], 0)
    if bool((counts == counts[:, -1:]).all()) and bool((firsts == firsts[:, -1:]).all()):
        return _found(False, None, end - counts[:, -1], end)
    first_seen = torch.where(counts > 0, firsts, num_keys).min(dim=1).values
    start = torch.minimum(first_seen, end)
    positions = torch.arange(num_queries) + (end - num_queries)[:, None]
    reach = (positions - start[:, None] + 1).clamp(min=0)  # keys up to the query's own
    longest = int(counts.max())
    expected = reach.clamp(max=longest)
    if not torch.equal(counts, expected) or bool(((counts > 0) & (ends != positions + 1)).any()):
        return None
    return _found(True, None if torch.equal(counts, reach) else longest, start, end)


def _found(causal: bool, window: Optional[int], start: torch.Tensor, end: torch.Tensor) -> Intervals:
    return Intervals(causal, window, start.to(torch.int32), (end - start).to(torch.int32))


def mask(*args: Any, **kwargs: Any) -> Optional[torch.Tensor]:
    """What transformers calls once a forward pass for each kind of layer: sdpa's mask of True and False, None where a
    causal or full square says all."""
    from transformers.masking_utils import sdpa_mask

    names = ("batch_size", "q_length", "kv_length")
    given = dict(zip(names, args), **kwargs)
    if given["q_length"] not in (1, given["kv_length"]):
        given["allow_is_causal_skip"] = False  # where the queries stand among more keys only the mask tells
    return sdpa_mask(*args[len(names) :], **given)


@torch.compiler.disable
def forward(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Optional[torch.Tensor],
    scaling: Optional[float] = None,
    dropout: float = 0.0,
    is_causal: Optional[bool] = None,
    sliding_window: Optional[int] = None,
    softcap: Optional[float] = None,
    s_aux: Optional[torch.Tensor] = None,
    position_bias: Optional[torch.Tensor] = None,
    num_threads: Optional[int] = None,
    **kwargs: Any,
) -> Tuple[torch.Tensor, None]:
    """The attention of one layer: query [B, H, Q, D], key and value [B, Hkv, K, D], a mask as mask() makes it or one
    that is added; out [B, Q, H, Dv]. Without a mask causal queries are the last ones of the sequence. Raises what
    attnrt.attention raises, and UnsupportedError for what only other implementations have: gradients, dropout, the
    attention weights, the cache of continuous batching."""
    if torch.is_grad_enabled() and (query.requires_grad or key.requires_grad or value.requires_grad):
        raise UnsupportedError(
            "attn_implementation='attnrt' has no gradients and they are enabled, wanted the model under torch.no_grad()"
        )
    if dropout:
        raise UnsupportedError(f"attn_implementation='attnrt' has no dropout and it is {dropout}, wanted model.eval()")
    if kwargs.get("output_attentions"):
        raise UnsupportedError("attn_implementation='attnrt' keeps no attention weights, wanted 'eager' for them")
    if kwargs.get("cache") is not None:
        raise UnsupportedError(
            "attn_implementation='attnrt' does not read the paged cache of continuous batching, wanted generate()"
        )
    if query.shape[0] != key.shape[0]:
        raise InvalidError(f"key has a batch of {key.shape[0]}, wanted {query.shape[0]} as query has")
    causal = bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)
    window = kv_starts = kv_lens = dense = None
    if attention_mask is None:
        if causal and sliding_window is not None and key.shape[2] > sliding_window:
            window = sliding_window
    else:
        attention_mask = (
            attention_mask[:, :, :, : key.shape[2]] if attention_mask.shape[3] > key.shape[2] else attention_mask
        )
        found = intervals_of(attention_mask) if position_bias is None else None
        if found is not None:
            causal, window, kv_starts, kv_lens = found
        else:
            causal, dense = False, attention_mask
    if position_bias is not None:
        dense = _biased(position_bias, dense)
    if dense is not None and dense.dtype != torch.bool:
        dense = dense.float()
    q, k, v = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    if not _is_packed(q):
        q = q.contiguous()
    if not _lie_alike(k, v):
        k, v = k.contiguous(), v.contiguous()
    out = attention(
        q,
        k,
        v,
        causal=causal,
        scale=scaling,
        window=window,
        softcap=softcap or 0.0,
        sinks=None if s_aux is None else s_aux.detach().float(),
        mask=dense,
        kv_starts=kv_starts,
        kv_lens=kv_lens,
        num_threads=torch.get_num_threads() if num_threads is None else num_threads,
    )
    return out, None


def _biased(bias: torch.Tensor, dense: Optional[torch.Tensor]) -> torch.Tensor:
    if dense is None:
        return bias.float()
    return torch.where(dense, bias.float(), -torch.inf) if dense.dtype == torch.bool else bias.float() + dense


def _is_packed(x: torch.Tensor) -> bool:
    """[batch, length, heads, size] whose requests follow each other without gaps."""
    return x.stride(3) == 1 and (x.shape[0] == 1 or x.shape[1] == 1 or x.stride(0) == x.shape[1] * x.stride(1))


def _lie_alike(k: torch.Tensor, v: torch.Tensor) -> bool:
    """The rows of k and v can be counted by one offset."""
    if k.stride(3) != 1 or v.stride(3) != 1:
        return False
    if k.shape[0] == 1 or k.shape[1] <= 1:
        return True
    apart = [x.stride(0) // x.stride(1) if x.stride(1) and x.stride(0) % x.stride(1) == 0 else 0 for x in (k, v)]
    return apart[0] == apart[1] and apart[0] >= k.shape[1]


def register(name: str = "attnrt", num_threads: Optional[int] = None) -> None:
    """Makes `name` an attn_implementation of transformers: the attention and the mask function that belongs to it,
    without which padded batches and sliding windows would get no mask. num_threads: of attention, 0 = as many as the
    process may use; None = torch.get_num_threads() at each call."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(name, forward if num_threads is None else partial(forward, num_threads=num_threads))
    AttentionMaskInterface.register(name, mask)
