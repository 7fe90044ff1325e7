# model with checkpoint around blocks.*.mlp: host Block, built by VisionTransformer().
# Made by codegen 0.1.0 from model.py (sha256 b8fc770a7aa90c64), changed, with
#     codegen wrap model.py --site 'blocks.*.mlp' --with checkpoint --check script
# The licence and copyright notices of the original file stay in force. Body: sha256 26507ee4320bb489.
"""
Vision Transformer 的一个简单实现，用于图像分类
paper: An Image is Worth 16x16 Words (https://arxiv.org/abs/2010.11929)
"""
from functools import partial

import torch
import torch.nn as nn
from torch.utils.checkpoint import checkpoint


def drop_path(x, drop_prob=0., training=False):
    """随机深度：训练时按样本丢弃整个残差分支"""
    if drop_prob == 0. or not training:
        return x
    keep = 1 - drop_prob
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    mask = torch.rand(shape, dtype=x.dtype, device=x.device).add_(keep).floor_()
    return x / keep * mask


class DropPath(nn.Module):
    def __init__(self, p=0.):
        super(DropPath, self).__init__()
        self.p = p

    def forward(self, x):
        return drop_path(x, self.p, self.training)


class PatchEmbed(nn.Module):
    """把图像切成 patch，再线性映射到 embed_dim 维"""

    def __init__(self, img_size=224, patch_size=16, in_c=3, embed_dim=768, norm_layer=None):
        super(PatchEmbed, self).__init__()
        self.img_size = (img_size, img_size)
        self.patch_size = (patch_size, patch_size)
        self.grid_size = (img_size // patch_size, img_size // patch_size)
        self.num_patches = self.grid_size[0] * self.grid_size[1]

        self.proj = nn.Conv2d(in_c, embed_dim, kernel_size=patch_size, stride=patch_size)
        self.norm = norm_layer(embed_dim) if norm_layer else nn.Identity()

    def forward(self, x):
        B, C, H, W = x.shape
        # 输入尺寸必须和 img_size 一致
        assert (H, W) == self.img_size, f"input is {H}x{W}, the model wants {self.img_size}"
        x = self.proj(x).flatten(2).transpose(1, 2)   # [B, C, H, W] -> [B, HW, C]
        return self.norm(x)


class Attention(nn.Module):
    def __init__(self, dim, num_heads=8, qkv_bias=False, attn_drop=0., proj_drop=0.):
        super(Attention, self).__init__()
        self.num_heads = num_heads
        self.scale = (dim // num_heads) ** -0.5
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.attn_drop = nn.Dropout(attn_drop)
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(proj_drop)

    def forward(self, x):
        B, N, C = x.shape
        # [B, N, 3C] -> [3, B, heads, N, C // heads]
        qkv = self.qkv(x).reshape(B, N, 3, self.num_heads, C // self.num_heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]

        attn = (q @ k.transpose(-2, -1)) * self.scale
        attn = self.attn_drop(attn.softmax(dim=-1))
        x = (attn @ v).transpose(1, 2).reshape(B, N, C)
        return self.proj_drop(self.proj(x))


class Mlp(nn.Module):
    def __init__(self, in_features, hidden_features=None, act_layer=nn.GELU, drop=0.):
        super(Mlp, self).__init__()
        hidden_features = hidden_features or in_features
        self.fc1 = nn.Linear(in_features, hidden_features)
        self.act = act_layer()
        self.fc2 = nn.Linear(hidden_features, in_features)
        self.drop = nn.Dropout(drop)

    def forward(self, x):
        x = self.drop(self.act(self.fc1(x)))
        return self.drop(self.fc2(x))


class Block(nn.Module):
    def __init__(self, dim, num_heads, mlp_ratio=4., qkv_bias=False, drop=0., attn_drop=0., drop_path_ratio=0.,
                 act_layer=nn.GELU, norm_layer=nn.LayerNorm):
        super(Block, self).__init__()
        self.norm1 = norm_layer(dim)
        self.attn = Attention(dim, num_heads, qkv_bias, attn_drop, drop)
        self.drop_path = DropPath(drop_path_ratio) if drop_path_ratio > 0. else nn.Identity()
        self.norm2 = norm_layer(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio), act_layer, drop)

    def forward(self, x):
        x = x + self.drop_path(self.attn(self.norm1(x)))
        if not torch.jit.is_scripting():
            x = x + self.drop_path(checkpoint(self.mlp, self.norm2(x), use_reentrant=False))
        else:
            x = x + self.drop_path(self.mlp(self.norm2(x)))
        return x


class VisionTransformer(nn.Module):
    def __init__(self, img_size=224, patch_size=16, in_c=3, num_classes=1000, embed_dim=768, depth=12, num_heads=12,
                 mlp_ratio=4.0, qkv_bias=True, representation_size=None, drop_ratio=0., attn_drop_ratio=0.,
                 drop_path_ratio=0., norm_layer=None, act_layer=None):
        """
        Args:
            img_size: 输入图像大小
            in_c: 输入通道数
            representation_size: 若不为 None，则在分类头之前加一个 pre-logits 层
        """
        super(VisionTransformer, self).__init__()
        self.num_classes = num_classes
        self.num_features = self.embed_dim = embed_dim  # num_features 与其他模型保持一致
        norm_layer = norm_layer or partial(nn.LayerNorm, eps=1e-6)
        act_layer = act_layer or nn.GELU

        self.patch_embed = PatchEmbed(img_size, patch_size, in_c, embed_dim)
        num_patches = self.patch_embed.num_patches

        # class token 和位置编码
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, num_patches + 1, embed_dim))
        self.pos_drop = nn.Dropout(p=drop_ratio)

        dpr = [x.item() for x in torch.linspace(0, drop_path_ratio, depth, device='cpu')]  # 逐层增大的 drop path
        self.blocks = nn.ModuleList([
            Block(embed_dim, num_heads, mlp_ratio, qkv_bias, drop_ratio, attn_drop_ratio, dpr[i],
                  act_layer, norm_layer)
            for i in range(depth)
        ])
        self.norm = norm_layer(embed_dim)

        if representation_size:
            self.num_features = representation_size
            self.pre_logits = nn.Sequential(nn.Linear(embed_dim, representation_size), nn.Tanh())
        else:
            self.pre_logits = nn.Identity()

        # 分类头
        self.head = nn.Linear(self.num_features, num_classes) if num_classes > 0 else nn.Identity()

        # 权重初始化
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        self.apply(self._init_weights)

    def _init_weights(self, m):
        if isinstance(m, nn.Linear):
            nn.init.trunc_normal_(m.weight, std=.01)
            if m.bias is not None:
                nn.init.zeros_(m.bias)
        elif isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out")
            if m.bias is not None:
                nn.init.zeros_(m.bias)
        elif isinstance(m, nn.LayerNorm):
            nn.init.zeros_(m.bias)
            nn.init.ones_(m.weight)

    def forward_features(self, x):
        x = self.patch_embed(x)  # [B, 196, 768]
        cls_token = self.cls_token.expand(x.shape[0], -1, -1)
        x = torch.cat((cls_token, x), dim=1)  # [B, 197, 768]

        x = self.pos_drop(x + self.pos_embed)
        for blk in self.blocks:
            x = blk(x)
        x = self.norm(x)
        return self.pre_logits(x[:, 0])   # 只取 class token

    def forward(self, x):
        x = self.forward_features(x)
        x = self.head(x)
        return x


def vit_base_patch16_224_in21k(num_classes: int = 21843, has_logits: bool = True):
    """ViT-Base，ImageNet-21k 预训练的配置"""
    model = VisionTransformer(img_size=224, patch_size=16, embed_dim=768, depth=12, num_heads=12,
                              representation_size=768 if has_logits else None, num_classes=num_classes)
    return model


def vit_tiny_patch16_224(num_classes: int = 1000):
    """ViT-Tiny，显存小的时候用"""
    model = VisionTransformer(img_size=224, patch_size=16, embed_dim=192, depth=12, num_heads=3,
                              num_classes=num_classes)
    return model
