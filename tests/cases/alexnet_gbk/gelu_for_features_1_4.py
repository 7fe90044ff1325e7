# -*- coding: gbk -*-
# model with torch.nn:GELU in the place of features.1,4: host AlexNet, built by AlexNet().
# Made by codegen 0.1.0 from model.py (sha256 70032987a6076e95), changed, with
#     codegen replace model.py --module torch.nn:GELU --site features.1,4
# The licence and copyright notices of the original file stay in force. Body: sha256 5a4e2b667c80f90e.
# AlexNet 的缩小版，输入为 3x32x32 的图像
import torch.nn as nn
import torch


class AlexNet(nn.Module):
    """特征提取部分与分类部分都用 nn.Sequential 打包"""

    def __init__(self, num_classes=10, init_weights=False):
        super(AlexNet, self).__init__()
        self.features = nn.Sequential(  # 打包
            nn.Conv2d(3, 16, kernel_size=3, stride=2, padding=1),  # 输入[3, 32, 32]  输出[16, 16, 16]
            nn.ReLU(inplace=True),  # inplace 可以载入更大模型
            nn.MaxPool2d(kernel_size=2),                           # 输出[16, 8, 8]
            nn.Conv2d(16, 32, kernel_size=3, padding=1),           # 输出[32, 8, 8]
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=2),                           # 输出[32, 4, 4]
        )
        self.classifier = nn.Sequential(
            nn.Dropout(p=0.5),
            nn.Linear(32 * 4 * 4, 64),  # 全连接
            nn.ReLU(inplace=True),
            nn.Linear(64, num_classes),
        )
        if init_weights:
            self._initialize_weights()
        for i in (1, 4):
            self.features[i] = nn.GELU()

    def forward(self, x):
        x = self.features(x)    # “特征图”
        x = torch.flatten(x, start_dim=1)  # 展平后再传入全连接层
        x = self.classifier(x)
        return x

    def _initialize_weights(self):
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode='fan_out', nonlinearity='relu')
                if m.bias is not None:
                    nn.init.constant_(m.bias, 0)
            elif isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, 0, 0.01)  # 正态分布初始化
                nn.init.constant_(m.bias, 0)
